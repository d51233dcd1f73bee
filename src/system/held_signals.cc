#include "system/held_signals.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace jobslots {

HeldSignals::HeldSignals() {
  constexpr std::array kHeld{SIGCHLD, SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                             SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};
  // Where it is ignored, as some who start programs have it, no child could be waited for.
  std::signal(SIGCHLD, SIG_DFL);
  sigset_t held;
  sigemptyset(&held);
  for (const int number : kHeld) sigaddset(&held, number);
  sigprocmask(SIG_BLOCK, &held, &before_);
  signals_ = UniqueFd(signalfd(-1, &held, SFD_CLOEXEC));
}

signalfd_siginfo HeldSignals::next() const {
  signalfd_siginfo signal{};
  while (read(fd(), &signal, sizeof signal) < 0 && errno == EINTR) {
  }
  return signal;
}

void HeldSignals::let_go() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }

void HeldSignals::take_effect(int number) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  std::raise(number);
  sigprocmask(SIG_UNBLOCK, &one, nullptr);
  sigprocmask(SIG_BLOCK, &one, nullptr);
}

}  // namespace jobslots
