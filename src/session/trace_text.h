#pragma once

/// The events of a session's trace in Chrome's trace-event format ("JSON Array Format"), which
/// Perfetto and chrome://tracing open, and `jobslots timeline` draws. The words are those of
/// trace_vocabulary.h; trace_file.h writes them.
///
/// Times are those of CLOCK_MONOTONIC, the one clock of all sessions of a machine, and are written
/// in microseconds as the format wants them. A worker is a thread of the process that the session
/// is.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "session/trace_vocabulary.h"

namespace jobslots {

class TraceText {
 public:
  using Time = std::chrono::nanoseconds;

  /// process is the number of the controller.
  explicit TraceText(long process) : process_(process) {}

  /// job_slots is N of make's -jN, 0 where make does not tell.
  void name_process(std::string_view name, unsigned job_slots);
  void name_worker(unsigned worker, std::string_view name);
  /// Something that a worker did, or waiting. outcome may be empty.
  void span(unsigned worker, std::string_view category, std::string_view name, Time begin, Time end,
            std::string_view outcome);
  /// The value of a counter from this time on.
  void counter(const trace::Counter& counter, std::size_t value, Time time);

  /// The events since the last time, JSON objects separated by commas; empty where there are none.
  std::string take() { return std::exchange(events_, {}); }
  /// Whether there are any.
  bool has_events() const { return !events_.empty(); }

 private:
  void begin_event(std::string_view name, char phase);

  long process_;
  std::string events_;
};

}  // namespace jobslots
