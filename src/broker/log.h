#pragma once

/// The broker's debug log: one line a message and decision, for whoever wants to see why. Written
/// where JOBSLOTS_LOG names a file; several brokers may share it.

#include <chrono>
#include <string>
#include <string_view>

#include "jobslots/unique_fd.h"
#include "session/session.h"

namespace jobslots {

class Log {
 public:
  static constexpr const char* kVariable = "JOBSLOTS_LOG";

  /// path may be null: nothing is written. So it is where the file cannot be opened.
  explicit Log(const char* path);

  explicit operator bool() const { return static_cast<bool>(file_); }

  /// "SECONDS PROCESS client NUMBER WHAT TEXT".
  void client(std::chrono::nanoseconds now, Session::ClientId client, std::string_view what,
              std::string_view text = "") const;
  /// "SECONDS PROCESS WHAT TEXT", in seconds of CLOCK_MONOTONIC.
  void line(std::chrono::nanoseconds now, std::string_view what, std::string_view text = "") const;

 private:
  UniqueFd file_;
};

}  // namespace jobslots
