#pragma once

/// The command of `jobslots run`, as a process below this one.

#include <string>
#include <vector>

#include "run/provision.h"
#include "system/held_signals.h"

namespace jobslots {

using Words = std::vector<std::string>;  ///< The program's name, sought in PATH, and its arguments.

/// Exit statuses as of a shell, and of env(1), nice(1) and timeout(1).
inline constexpr int kOwnFailure = 125;
inline constexpr int kNotExecutable = 126;
inline constexpr int kNotFound = 127;
inline constexpr int kKilledBySignal = 128;  ///< Plus the signal's number.

/// Executes the command in place of this program. Where that cannot be, says so on the standard
/// error: the exit status for it.
int become(const Words& command);

/// Takes a slot, runs the command with it, and gives it back. The exit status: that of the command.
/// Signals that are sent to this process are passed on to it. Where SIGINT has ended the command,
/// this process ends in the same way, so that a loop of a shell ends too. To be called by a process
/// that has one thread, and holds its signals since before there was anything to be cleaned up.
int run_with(const HeldSignals& signals, std::unique_ptr<Provision> provision,
             const Words& command);

}  // namespace jobslots
