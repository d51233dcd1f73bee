#include "system/cpu_time.h"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>

#include "system/processes.h"

namespace jobslots {
namespace {

struct Usage {
  pid_t parent = 0;
  long long ticks = 0;
};

std::optional<Usage> usage_of(pid_t pid) {
  constexpr std::size_t kParent = 4;
  constexpr std::array<std::size_t, 4> kTimes{14, 15, 16, 17};  // utime, stime, cutime, cstime
  const auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  Usage usage{static_cast<pid_t>(stat->number(kParent))};
  for (const std::size_t time : kTimes) usage.ticks += stat->number(time);
  return usage;
}

std::map<pid_t, Usage> all_processes() {
  std::map<pid_t, Usage> processes;
  DIR* directory = opendir("/proc");
  if (directory == nullptr) return processes;
  while (const dirent* entry = readdir(directory)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    if (const auto usage = usage_of(pid)) processes.emplace(pid, *usage);
  }
  closedir(directory);
  return processes;
}

}  // namespace

std::optional<CpuTime> cpu_time_of_trees(const std::vector<pid_t>& roots) {
  const std::map<pid_t, Usage> processes = all_processes();
  std::map<pid_t, std::vector<pid_t>> children;
  for (const auto& [pid, usage] : processes) children[usage.parent].push_back(pid);
  long long ticks = 0;
  CpuTime time;
  std::vector<pid_t> left = roots;
  for (const pid_t root : roots) {
    if (!processes.contains(root)) return std::nullopt;
  }
  while (!left.empty()) {
    const pid_t pid = left.back();
    left.pop_back();
    ticks += processes.at(pid).ticks;
    time.queued += queued_time(pid);
    if (const auto below = children.find(pid); below != children.end()) {
      left.insert(left.end(), below->second.begin(), below->second.end());
    }
  }
  time.used = std::chrono::nanoseconds(std::chrono::seconds(1)) * ticks / sysconf(_SC_CLK_TCK);
  return time;
}

}  // namespace jobslots
