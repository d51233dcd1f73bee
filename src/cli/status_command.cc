#include <cstdio>
#include <cstdlib>

#include "cli/status_options.h"
#include "status/text.h"
#include "system/descriptors.h"
#include "system/terminal.h"

namespace jobslots {
namespace {

constexpr const char* kUsage = "usage: jobslots status [--json] [machine | FOLDER]";

constexpr const char* kHelp = R"TEXT(
Says who has which job slots: the pool's sessions of pytest and its other
clients, and the sessions under a make. Of each session its workers, and the
tests that run. Takes no job slot, and starts no pool.

  machine | FOLDER  only the pool of this machine, or that in the folder
  --json            the same as a JSON object

Exit status: 0 there is something, 1 neither pool nor session, 2 wrong
arguments.
)TEXT";

}  // namespace

StatusOptions parse_status_options(Arguments arguments, bool json_allowed, const char* usage) {
  StatusOptions options;
  std::string word;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (json_allowed && argument == "--json") {
      options.json = true;
    } else if (!word.empty() || argument.empty() || argument.starts_with('-')) {
      throw UsageError("there is no argument " + argument + "\n" + usage);
    } else {
      word = argument;
      options.sessions = Sessions::kOfPool;
    }
  }
  if (word.empty()) word = pool_word(std::getenv).value_or("machine");
  auto place = PoolPlace::named(word, std::getenv);
  if (const auto* why = std::get_if<Unavailable>(&place)) throw UsageError(why->message());
  options.place = std::get<PoolPlace>(std::move(place));
  return options;
}

std::string nothing_there(const StatusOptions& options) {
  const std::string pool = "no pool of job slots at " + options.place.directory;
  return options.sessions == Sessions::kOfPool
             ? "there is " + pool
             : "no pytest session has job slots now, and there is " + pool;
}

int print_status(const StatusOptions& options, const Overview& overview) {
  if (overview.empty()) {
    std::printf("%s\n", nothing_there(options).c_str());
    return EXIT_FAILURE;
  }
  for (const std::string& line : text_lines(overview, terminal_size().columns)) {
    std::printf("%s\n", line.c_str());
  }
  return EXIT_SUCCESS;
}

int status_command(Arguments arguments) {
  const StatusOptions options = parse_status_options(arguments, true, kUsage);
  if (options.help) {
    std::printf("%s\n%s", kUsage, kHelp);
    return EXIT_SUCCESS;
  }
  allow_many_descriptors();
  const Overview overview = inquire(options);
  if (!options.json) return print_status(options, overview);
  std::fputs(json_report(overview).c_str(), stdout);
  return overview.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace jobslots
