#pragma once

/// The file of a session's trace. After each write it is whole JSON: the next one begins where the
/// closing bracket is.

#include <sys/types.h>

#include <string>
#include <string_view>
#include <variant>

#include "jobslots/unique_fd.h"

namespace jobslots {

class TraceFile {
 public:
  /// Creates the file, or empties that of an earlier trace, to which nobody may be writing.
  /// Otherwise the text says why this cannot be done.
  static std::variant<TraceFile, std::string> open(const std::string& path);

  /// Writes events of TraceText behind those that are there. A text says why this failed: the file
  /// ends before what could not be written, and the trace is of no more use.
  std::string append(std::string_view events);

 private:
  explicit TraceFile(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
  off_t end_ = 1;  ///< Where the closing bracket is.
};

}  // namespace jobslots
