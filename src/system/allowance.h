#pragma once

/// How many things this process may have run at the same time.

#include <optional>
#include <string>
#include <string_view>

#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"

namespace jobslots {

/// Names a number of jobs that counts in place of what the system allows.
inline constexpr const char* kJobsVariable = "JOBSLOTS_JOBS";

/// Where the system says what a process may use.
struct CgroupPlaces {
  /// The control groups themselves: that of version 2, or a folder for each controller of version
  /// 1. See cgroups(7).
  std::string mount = "/sys/fs/cgroup";
  /// Which of them this process belongs to.
  std::string own = "/proc/self/cgroup";
};

/// The CPUs that this process may run on (sched_getaffinity(2)), but no more than the CPU time that
/// its control group and those above it are given (cpu.max, cpu.cfs_quota_us), rounded up. At least
/// 1. JOBSLOTS_JOBS overrides it; where that is no number of 1 or more, the answer says so.
Result<unsigned> allowed_jobs(const GetEnv& getenv, const CgroupPlaces& places = {});

/// A number of jobs in what a user has written: 1 or more, in digits only. Nothing otherwise.
std::optional<unsigned> to_jobs(std::string_view text);

}  // namespace jobslots
