#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "doctor/diagnosis.h"
#include "doctor/report.h"

namespace jobslots {

int doctor_command(Arguments arguments) {
  bool json = false;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::puts(
          "usage: jobslots doctor [--json]\n"
          "\n"
          "Says what there is of a jobserver here, whether it can be used, and what to do. To see\n"
          "what a recipe has, put `jobslots doctor` into it. Takes no job slot.\n"
          "\n"
          "  --json  the same as a JSON object\n"
          "\n"
          "Exit status: 0 usable, 1 not usable, 2 wrong arguments.");
      return EXIT_SUCCESS;
    }
    if (argument != "--json") {
      throw UsageError("unknown argument \"" + argument + "\"; --json is the only one");
    }
    json = true;
  }
  const Diagnosis diagnosis = diagnose(std::getenv);
  const std::string report = json ? json_report(diagnosis) : text_report(diagnosis);
  std::fputs(report.c_str(), stdout);
  return diagnosis.why_not ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace jobslots
