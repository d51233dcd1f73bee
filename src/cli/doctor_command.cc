#include <cstdio>
#include <cstdlib>

#include "cli/commands.h"
#include "doctor/diagnosis.h"
#include "doctor/report.h"

namespace jobslots {
namespace {

constexpr const char* kUsage = "usage: jobslots doctor [--json]";

constexpr const char* kHelp =
    "\n"
    "\n"
    "Says what there is of a jobserver here, whether it can be used, and what to do. To see\n"
    "what a recipe has, put `jobslots doctor` into it. Takes no job slot.\n"
    "\n"
    "  --json  the same as a JSON object\n"
    "\n"
    "Exit status: 0 usable, 1 not usable, 2 wrong arguments.\n";

}  // namespace

int doctor_command(Arguments arguments) {
  bool json = false;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::printf("%s%s", kUsage, kHelp);
      return EXIT_SUCCESS;
    }
    if (argument != "--json") {
      throw UsageError("there is no argument " + argument + "\n" + kUsage);
    }
    json = true;
  }
  const Diagnosis diagnosis = diagnose(std::getenv);
  const std::string report = json ? json_report(diagnosis) : text_report(diagnosis);
  std::fputs(report.c_str(), stdout);
  return diagnosis.why_not ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace jobslots
