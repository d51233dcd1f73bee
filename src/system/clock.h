#pragma once

/// The clock by which everything is timed: CLOCK_MONOTONIC of clock_gettime(2), as in Python's
/// time.monotonic_ns(), so that other processes' times can be compared.

#include <chrono>

namespace jobslots {

inline std::chrono::nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

}  // namespace jobslots
