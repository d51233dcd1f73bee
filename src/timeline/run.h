#pragma once

/// What a make run was made of: sessions with lanes (a worker each), and what each lane did when.
/// Times are microseconds since the first event of the run.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace jobslots::timeline {

using Microseconds = std::int64_t;

/// What a lane does. All but waiting uses a slot.
enum class Kind : std::uint8_t { starting, waiting, test, finishing, other };

struct Span {
  Microseconds begin = 0;
  Microseconds end = 0;  ///< Never before begin.
  Kind kind = Kind::other;
  std::string name;     ///< A test's node id. Valid UTF-8, else any text.
  std::string outcome;  ///< Of a test: "passed", "failed", ...; may be empty.
};

/// Spans are in the order of their begin; a damaged trace may have some that overlap.
struct Lane {
  std::string name;
  std::vector<Span> spans;
};

struct Session {
  std::string name;
  std::vector<Lane> lanes;
};

struct Run {
  std::vector<Session> sessions;
  unsigned job_slots = 0;  ///< The N of make -jN; 0 where unknown.
  Microseconds duration = 0;
};

/// From `at` on that many lanes use a slot.
struct Step {
  Microseconds at = 0;
  unsigned in_use = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

/// A step at 0, then one wherever the number changes. Who ends at the moment another one begins has
/// returned its slot before.
std::vector<Step> slots_in_use(const Run& run);

/// How many slots are in use on average in each of so many equal parts of the run.
std::vector<double> average_in_use(const Run& run, const std::vector<Step>& steps,
                                   std::size_t parts);

/// What one lane, or all of them, did.
struct Totals {
  std::size_t tests = 0;
  std::size_t failed = 0;
  Microseconds busy = 0;  ///< Sum over the lanes of the time with a slot.
  Microseconds waiting = 0;
};

Totals totals(const Lane& lane);
Totals totals(const Run& run);

/// A test that failed, one with an error, and one whose worker died.
bool is_failure(const Span& span);

/// "make -j8, 3 sessions", where those that have workers count, if any have.
std::string title(const Run& run);

/// The run in a sentence: wall time, tests, most and average slots in use.
std::string summary(const Run& run, const std::vector<Step>& steps);

/// "1.25 s"
std::string seconds(Microseconds time);

}  // namespace jobslots::timeline
