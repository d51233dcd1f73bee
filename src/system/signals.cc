#include "system/signals.h"

#include <algorithm>
#include <array>
#include <csignal>

namespace jobslots {

void ignore_all_signals_but_faults() {
  constexpr std::array kFaults{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (std::ranges::find(kFaults, number) != kFaults.end()) continue;
    std::signal(number, SIG_IGN);  // Refused for SIGKILL, SIGSTOP and two of the C library's own.
  }
}

}  // namespace jobslots
