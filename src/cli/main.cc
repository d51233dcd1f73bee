#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "jobslots/version.h"

namespace {

using jobslots::Arguments;

struct Command {
  std::string_view name;
  const char* help;
  int (*run)(Arguments);
};

constexpr std::array kCommands{
    Command{"doctor", "say whether the jobserver of make can be used here, and what to do",
            jobslots::doctor_command},
    Command{"run", "run a command whose makes, pytests and compilers share N job slots",
            jobslots::run_command},
    Command{"timeline", "draw a run of make from the traces of its sessions",
            jobslots::timeline_command},
    Command{"pool", "print what makes a shell and all it starts share the slots of one pool",
            jobslots::pool_command},
    Command{"status", "say who has which job slots, and which tests run", jobslots::status_command},
    Command{"top", "the same, live in a terminal", jobslots::top_command},
    Command{"broker", "hold the job slots of one session; started by the pytest plugin",
            jobslots::broker_command},
};

void print_help(std::FILE* file) {
  std::fputs(
      "usage: jobslots [--help | --version | COMMAND [--help]]\n"
      "\n"
      "Shares the job slots of GNU make among the workers of a pytest-xdist session.\n"
      "\n"
      "commands:\n",
      file);
  for (const Command& command : kCommands) {
    std::fprintf(file, "  %-9s %s\n", command.name.data(), command.help);
  }
}

bool is_help(const std::string& word) { return word == "--help" || word == "-h"; }

int run_subcommand(const Command& command, Arguments arguments) {
  if (command.run == jobslots::broker_command && std::ranges::any_of(arguments, is_help)) {
    std::printf("usage: jobslots %s\n\nIt is to %s.\n", command.name.data(), command.help);
    return EXIT_SUCCESS;
  }
  try {
    return command.run(arguments);
  } catch (const jobslots::UsageError& error) {
    std::fprintf(stderr, "jobslots %s: %s\n", command.name.data(), error.what());
    return jobslots::kUsageStatus;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string first = words.empty() ? "" : words.front();
  if (is_help(first)) {
    print_help(stdout);
    return EXIT_SUCCESS;
  }
  if (first == "--version" || first == "-V") {
    std::printf("jobslots %s\n", jobslots::kVersion);
    return EXIT_SUCCESS;
  }
  const auto* const command = std::ranges::find(kCommands, first, &Command::name);
  if (command != kCommands.end()) return run_subcommand(*command, Arguments(words).subspan(1));
  if (!first.empty()) std::fprintf(stderr, "jobslots: there is no command %s\n", first.c_str());
  print_help(stderr);
  return jobslots::kUsageStatus;
}
