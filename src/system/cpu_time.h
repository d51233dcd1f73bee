#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <vector>

namespace jobslots {

/// The CPU time, of user and system, that these processes and all below them have used in their
/// lives, children included that have ended and were waited for; in steps of a clock tick, 10 ms on
/// most machines (proc(5) on /proc/PID/stat). Nothing where one of the processes cannot be read.
std::optional<std::chrono::nanoseconds> cpu_time_of_trees(const std::vector<pid_t>& roots);

}  // namespace jobslots
