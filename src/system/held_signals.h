#pragma once

/// Signals as something to be read, for a process that stands above another one.

#include <sys/signalfd.h>

#include <csignal>

#include "jobslots/unique_fd.h"

namespace jobslots {

/// Keeps signals from this process until they are read: SIGCHLD, and those that users, terminals
/// and batch systems send to end a process, to stop it, to let it go on, or to tell it something.
/// See signalfd(2).
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() = default;

  /// Readable when there is a signal. Negative where the system has no descriptor left.
  int fd() const { return signals_.get(); }
  /// Waits for a signal.
  signalfd_siginfo next() const;
  /// For a child: signals are to reach it as they would without this process.
  void let_go() const;

  /// Ends or stops this process as the signal does by itself, or does nothing where it is ignored.
  static void take_effect(int number);

 private:
  sigset_t before_{};
  UniqueFd signals_;
};

}  // namespace jobslots
