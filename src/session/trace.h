#pragma once

/// A session's trace: a file in Chrome's trace-event format ("JSON Array Format"), which Perfetto
/// and chrome://tracing open, and `jobslots timeline` draws.
///
/// Times are those of CLOCK_MONOTONIC, the one clock of all sessions of a machine, and are written
/// in microseconds as the format wants them. A worker is a thread of the process that the session
/// is. After each flush the file is whole JSON: the next one begins where the closing bracket is.

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include "jobslots/unique_fd.h"

namespace jobslots {

class Trace {
 public:
  using Time = std::chrono::nanoseconds;

  /// Creates the file, or empties that of an earlier trace, to which nobody may be writing.
  /// Otherwise the text says why this cannot be done. process is the number of the controller.
  static std::variant<Trace, std::string> open(const std::string& path, pid_t process);

  /// job_slots is N of make's -jN, 0 where make does not tell.
  void name_process(std::string_view name, unsigned job_slots);
  void name_worker(unsigned worker, std::string_view name);
  /// Something that a worker did, or waiting. outcome may be empty.
  void span(unsigned worker, std::string_view category, std::string_view name, Time begin, Time end,
            std::string_view outcome);
  /// The value of a counter from this time on.
  void counter(std::string_view name, std::string_view unit, std::size_t value, Time time);

  /// Writes what has come since the last time. A text says why this failed: the file ends before
  /// what could not be written, and the trace is of no more use.
  std::string flush();

 private:
  Trace(UniqueFd file, pid_t process) : file_(std::move(file)), process_(process) {}
  void begin_event(std::string_view name, char phase);

  UniqueFd file_;
  pid_t process_;
  off_t end_ = 0;  ///< Where the closing bracket is.
  std::string events_;
};

}  // namespace jobslots
