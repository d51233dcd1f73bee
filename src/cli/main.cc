#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "commands.h"
#include "jobslots/version.h"

namespace {

constexpr const char* kHelp =
    "usage: jobslots [--help | --version | COMMAND]\n"
    "\n"
    "Shares the job slots of GNU make among the workers of a pytest-xdist session.\n"
    "\n"
    "commands:\n"
    "  broker   hold the job slots of one session; started by the pytest plugin\n";

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc == 2 ? argv[1] : "";
  if (command == "--help" || command == "-h") {
    std::fputs(kHelp, stdout);
    return EXIT_SUCCESS;
  }
  if (command == "--version") {
    std::printf("jobslots %s\n", jobslots::kVersion);
    return EXIT_SUCCESS;
  }
  if (command == "broker") return jobslots::broker_command();
  std::fprintf(stderr, "%s", kHelp);
  return 2;
}
