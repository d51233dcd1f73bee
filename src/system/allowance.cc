#include "system/allowance.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <vector>

namespace jobslots {
namespace {

/// The kernel refuses a set that is too small for the machine.
unsigned usable_cpus() {
  constexpr std::size_t kMostSets = 1024;
  for (std::size_t count = 1; count <= kMostSets; count *= 2) {
    std::vector<cpu_set_t> sets(count);
    const std::size_t size = count * sizeof(cpu_set_t);
    if (sched_getaffinity(0, size, sets.data()) == 0) {
      return static_cast<unsigned>(CPU_COUNT_S(size, sets.data()));
    }
    if (errno != EINVAL) break;
  }
  return 1;
}

/// CPUs' worth of time in each period. A group without a limit, whose quota is "max" or negative,
/// has no such number, and neither has one whose files are missing.
std::optional<double> ratio(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> quota_of_version_2(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  double quota = 0;
  double period = 0;
  file >> quota >> period;
  return file ? ratio(quota, period) : std::nullopt;
}

std::optional<double> quota_of_version_1(const std::string& group) {
  std::ifstream quota_file(group + "/cpu.cfs_quota_us");
  std::ifstream period_file(group + "/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  quota_file >> quota;
  period_file >> period;
  return quota_file && period_file ? ratio(quota, period) : std::nullopt;
}

bool has_cpu(std::string_view controllers) {
  for (;;) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == "cpu") return true;
    if (comma == std::string_view::npos) return false;
    controllers.remove_prefix(comma + 1);
  }
}

/// The least quota of a group and of all above it. In a container the path may be that of the host:
/// what is not there says nothing, and the mount itself is the container's own.
template <class Quota>
std::optional<double> least(const std::string& mount, std::string path, Quota quota_of) {
  std::optional<double> result;
  for (;;) {
    if (const auto quota = quota_of(mount + path); quota && (!result || *quota < *result)) {
      result = quota;
    }
    if (path.empty()) return result;
    path.erase(std::min(path.rfind('/'), path.size()));
  }
}

/// Each line is "number:controllers:/path"; version 2 has number 0 and no controllers.
std::optional<double> quota(const CgroupPlaces& places) {
  std::ifstream own(places.own);
  std::optional<double> result;
  for (std::string line; std::getline(own, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    std::optional<double> found;
    if (controllers.empty()) found = least(places.mount, path, quota_of_version_2);
    if (has_cpu(controllers)) found = least(places.mount + "/cpu", path, quota_of_version_1);
    if (found && (!result || *found < *result)) result = found;
  }
  return result;
}

}  // namespace

std::optional<unsigned> to_jobs(std::string_view text) {
  unsigned jobs = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, jobs);
  if (error != std::errc() || stop != end || jobs == 0) return std::nullopt;
  return jobs;
}

Result<unsigned> allowed_jobs(const GetEnv& getenv, const CgroupPlaces& places) {
  if (const char* const wanted = getenv(kJobsVariable)) {
    if (const auto jobs = to_jobs(wanted)) return *jobs;
    return Unavailable{Reason::kNotUnderstood,
                       std::string(kJobsVariable) + " is \"" + wanted + "\", no number of jobs",
                       "set it to a number of 1 or more, or unset it"};
  }
  const unsigned cpus = std::max(usable_cpus(), 1U);
  const auto limit = quota(places);
  if (!limit || *limit >= cpus) return cpus;
  return std::max(static_cast<unsigned>(std::ceil(*limit)), 1U);
}

}  // namespace jobslots
