#pragma once

/// The words of a trace, which the journal writes and `jobslots timeline` reads.

#include <array>
#include <string_view>

namespace jobslots::trace {

// What a worker has a slot for: the category of a span, and the begin of `want WORK`.
inline constexpr std::string_view kStarting = "starting";
inline constexpr std::string_view kTest = "test";
inline constexpr std::string_view kFinishing = "finishing";
// A span without a slot.
inline constexpr std::string_view kWaiting = "waiting";

/// The outcome of a test whose worker was there no more at its end. Others are pytest's.
inline constexpr std::string_view kDied = "died";
/// The outcomes of tests that have not done what they should.
inline constexpr std::array<std::string_view, 3> kFailures{"failed", "error", kDied};

// Names in the format.
inline constexpr std::string_view kProcessName = "process_name";
inline constexpr std::string_view kThreadName = "thread_name";
inline constexpr std::string_view kName = "name";
inline constexpr std::string_view kJobSlots = "job_slots";
inline constexpr std::string_view kOutcome = "outcome";

/// A value over time.
struct Counter {
  std::string_view name;
  std::string_view unit;
};
inline constexpr Counter kHeld{"job slots held", "held"};
inline constexpr Counter kWaiters{"workers waiting", "waiting"};
inline constexpr Counter kFree{"free job slots", "free"};

}  // namespace jobslots::trace
