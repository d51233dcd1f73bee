#pragma once

/// The file of a session's trace. After each write it is whole JSON: the next one begins where the
/// closing bracket is.
///
/// A thread of its own writes it: a disk that stalls must not keep job slots from anybody.

#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace jobslots {

class TraceFile {
 public:
  /// What may wait to be written, in bytes. When there is more, the trace ends.
  static constexpr std::size_t kQueueLimit = 4U << 20U;

  /// Creates the file, or empties that of an earlier trace, to which nobody may be writing.
  /// Otherwise the text says why this cannot be done.
  static std::variant<TraceFile, std::string> open(const std::string& path);

  TraceFile(TraceFile&&) noexcept = default;
  TraceFile& operator=(TraceFile&&) noexcept = default;
  /// Waits until all is written, but not for a disk that stalls.
  ~TraceFile();

  /// Has events of TraceText written behind those that are there; waits for that only as long as a
  /// working disk needs. A text says why this failed, or an earlier time: the file ends before what
  /// could not be written, and the trace is of no more use.
  std::string append(std::string_view events);

 private:
  struct Writer;
  explicit TraceFile(std::shared_ptr<Writer> writer) : writer_(std::move(writer)) {}

  std::shared_ptr<Writer> writer_;  ///< Its thread has it too, and may outlive this.
};

}  // namespace jobslots
