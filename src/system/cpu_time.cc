#include "system/cpu_time.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

namespace jobslots {
namespace {

struct Usage {
  pid_t parent = 0;
  long long ticks = 0;
};

/// Of /proc/PID/stat, behind the name: state ppid ... utime stime cutime cstime (4, 14 to 17).
std::optional<Usage> usage_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::size_t close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(close + 1));
  std::string unused;
  Usage usage;
  fields >> unused >> usage.parent;
  for (int field = 5; field < 14; ++field) fields >> unused;
  for (int field = 14; field <= 17; ++field) {
    long long ticks = 0;
    fields >> ticks;
    usage.ticks += ticks;
  }
  return fields ? std::optional(usage) : std::nullopt;
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

std::optional<std::chrono::nanoseconds> cpu_time_of_trees(const std::vector<pid_t>& roots) {
  const std::map<pid_t, Usage> processes = all_processes();
  std::map<pid_t, std::vector<pid_t>> children;
  for (const auto& [pid, usage] : processes) children[usage.parent].push_back(pid);
  long long ticks = 0;
  std::vector<pid_t> left = roots;
  for (const pid_t root : roots) {
    if (!processes.contains(root)) return std::nullopt;
  }
  while (!left.empty()) {
    const pid_t pid = left.back();
    left.pop_back();
    ticks += processes.at(pid).ticks;
    if (const auto below = children.find(pid); below != children.end()) {
      left.insert(left.end(), below->second.begin(), below->second.end());
    }
  }
  return std::chrono::nanoseconds(std::chrono::seconds(1)) * ticks / sysconf(_SC_CLK_TCK);
}

}  // namespace jobslots
