#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <vector>

namespace jobslots {

/// What processes have got of the CPUs in their lives.
struct CpuTime {
  /// Of user and system; in steps of a clock tick, 10 ms on most machines (proc(5) on
  /// /proc/PID/stat).
  std::chrono::nanoseconds used{};
  /// For how long threads that live could have run, but others had the CPUs (sched-stats.rst of the
  /// kernel's documentation on /proc/PID/schedstat). 0 where the kernel does not tell.
  std::chrono::nanoseconds queued{};
};

/// That of these processes and all below them. Children that have ended and were waited for count
/// with what they used. Nothing where one of the processes cannot be read.
std::optional<CpuTime> cpu_time_of_trees(const std::vector<pid_t>& roots);

}  // namespace jobslots
