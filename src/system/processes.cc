#include "system/processes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace jobslots {
namespace {

struct Process {
  std::string name;  ///< At most 15 characters, as the kernel keeps it.
  pid_t parent = 0;
};

/// Of /proc/PID/stat: "PID (name) state ppid ...", where the name may hold blanks and parentheses.
std::optional<Process> read_process(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  Process process{line.substr(open + 1, close - open - 1), 0};
  if (close + 4 >= line.size()) return std::nullopt;
  process.parent = static_cast<pid_t>(std::strtol(line.c_str() + close + 4, nullptr, 10));
  return process;
}

/// make of make-3.81, gmake of gmake4.
std::string_view without_version(std::string_view name) {
  return name.substr(0, name.find_last_not_of("0123456789.-_") + 1);
}

}  // namespace

std::optional<pid_t> nearest_make(const char* make_variable) {
  constexpr std::size_t kNameLimit = 15;  // TASK_COMM_LEN - 1, see prctl(2) PR_SET_NAME.
  constexpr std::array<std::string_view, 4> kMakes{"make", "gmake", "gnumake", "remake"};
  std::string_view own_name = make_variable == nullptr ? "" : make_variable;
  own_name.remove_prefix(own_name.rfind('/') + 1);  // npos + 1 is 0.
  own_name = own_name.substr(0, kNameLimit);
  for (pid_t pid = getppid(); pid > 0;) {
    const auto process = read_process(pid);
    if (!process) return std::nullopt;
    if (!own_name.empty() && process->name == own_name) return pid;
    const std::string_view name = without_version(process->name);
    if (std::ranges::find(kMakes, name) != kMakes.end()) return pid;
    pid = process->parent;
  }
  return std::nullopt;
}

std::string descriptor_path(pid_t pid, int fd) {
  return "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
}

}  // namespace jobslots
