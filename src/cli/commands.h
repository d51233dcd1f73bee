#pragma once

/// The subcommands of `jobslots`, each in a file of its own. arguments are the words behind the
/// command's name; the result is the exit status of the process. A wrong use throws UsageError.

#include <span>
#include <stdexcept>
#include <string>

namespace jobslots {

using Arguments = std::span<const std::string>;

/// A command was used in a wrong way. what() says so in a line, naming the argument.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline constexpr int kUsageStatus = 2;

/// `jobslots broker`: what the pytest plugin starts. Descriptor 0 is a connected SOCK_SEQPACKET
/// socket whose other end the controller holds; see session/protocol.h.
int broker_command(Arguments arguments);

/// `jobslots doctor`: says what there is of a jobserver here and whether it can be used; see
/// doctor/report.h. Ends with 0 where it can, with 1 where it cannot.
int doctor_command(Arguments arguments);

/// `jobslots run [-jN] [--style=fifo|pipe] [--] COMMAND...`: runs the command with a job slot and a
/// jobserver. Ends with the command's exit status, see run/command.h.
int run_command(Arguments arguments);

/// `jobslots timeline TRACE.json... [-o FILE.html|FILE.svg]`: draws a run of make from the traces
/// of its sessions.
int timeline_command(Arguments arguments);

/// `jobslots pool --env`: prints what a shell sets to join the pool. With --serve: what
/// start_pool() starts.
int pool_command(Arguments arguments);

/// `jobslots status [--json] [machine | FOLDER]`: who has which job slots; see status/overview.h.
/// Ends with 1 where there is neither a pool nor a session.
int status_command(Arguments arguments);

/// `jobslots top [machine | FOLDER]`: the same, live in a terminal.
int top_command(Arguments arguments);

}  // namespace jobslots
