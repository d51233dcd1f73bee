#pragma once

/// The trace of a session on its way to its file.

#include <chrono>
#include <optional>
#include <string>

#include "broker/trace_file.h"
#include "session/session.h"

namespace jobslots {

class SessionTrace {
 public:
  using Time = Session::Time;

  /// How long an event waits for others to be written with it: a write wakes another thread, and is
  /// waited for.
  static constexpr Time kDelay = std::chrono::milliseconds(10);

  /// How long gather() takes: so much later a worker that comes in is answered.
  static constexpr Time kGathering = std::chrono::milliseconds(4);

  /// Opens the file and tells the session of it, as it does where no more can be written.
  void open(Session& session, const std::string& path, Time now);
  /// To be called in each turn of the loop, and at due(). Whether the session was told something.
  bool write_if_due(Session& session, Time now);
  /// Lets what workers tell come together where nobody will want a slot soon: each message would
  /// wake this process, and keep the worker from its tests for that. They say when it was.
  static void gather(const Session& session);
  /// Writes what there is.
  bool write(Session& session);
  std::optional<Time> due() const { return due_; }

 private:
  std::optional<TraceFile> file_;
  std::optional<Time> due_;
};

}  // namespace jobslots
