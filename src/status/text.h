#pragma once

/// An overview for people.

#include <string>
#include <vector>

#include "status/overview.h"

namespace jobslots {

/// A line for the pool, one for each holder, and under a session's an indented one for each worker.
/// No line takes more columns than the terminal has.
std::vector<std::string> text_lines(const Overview& overview, std::size_t columns);

/// "7 s", "2 m 05 s", "3 h 10 m" or "2 d 04 h".
std::string duration_text(double seconds);

}  // namespace jobslots
