#include "system/processes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/words.h"
#include "jobslots/unique_fd.h"

namespace jobslots {
namespace {

std::string proc_path(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

/// The content of a file that the kernel makes up, or nothing where it cannot be read to its end.
std::optional<std::string> read_whole(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 4096> part{};
  for (;;) {
    const ssize_t size = read(file.get(), part.data(), part.size());
    if (size == 0) return text;
    if (size > 0) {
      text.append(part.data(), static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return std::nullopt;  // ESRCH: the process has ended meanwhile.
    }
  }
}

/// Each text ends with a zero.
std::vector<std::string> split_at_zeros(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// make of make-3.81, gmake of gmake4.
std::string_view without_version(std::string_view name) {
  return name.substr(0, name.find_last_not_of("0123456789.-_") + 1);
}

}  // namespace

long long ProcessStat::number(std::size_t field) const {
  constexpr std::size_t kFirst = 3;
  if (field - kFirst >= behind_name.size()) return 0;
  return std::strtoll(behind_name[field - kFirst].c_str(), nullptr, 10);
}

std::optional<ProcessStat> read_stat(pid_t pid) {
  const auto text = read_whole(proc_path(pid, "stat"));
  if (!text) return std::nullopt;
  // The name may hold blanks, parentheses and line ends; behind it there are none.
  const std::size_t open = text->find('(');
  const std::size_t close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessStat stat{text->substr(open + 1, close - open - 1), {}};
  std::string_view fields = *text;
  fields.remove_prefix(std::min(close + 2, fields.size()));
  if (fields.ends_with('\n')) fields.remove_suffix(1);
  while (!fields.empty()) stat.behind_name.emplace_back(take_word(fields));
  return stat;
}

std::chrono::nanoseconds queued_time(pid_t pid) {
  std::chrono::nanoseconds time{};
  std::error_code error;
  std::filesystem::directory_iterator thread(proc_path(pid, "task"), error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    // Nanoseconds on the CPUs, nanoseconds in their queues, how often it was there.
    const auto text = read_whole(thread->path().string() + "/schedstat");
    std::string_view fields = text ? *text : std::string_view();
    take_word(fields);
    time += std::chrono::nanoseconds(number_of<long long>(take_word(fields)).value_or(0));
  }
  return time;
}

std::optional<Process> read_process(pid_t pid) {
  constexpr std::size_t kParent = 4;
  const auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  return Process{pid, static_cast<pid_t>(stat->number(kParent)), stat->name};
}

std::vector<pid_t> own_processes() {
  std::vector<pid_t> processes;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const auto pid = number_of<pid_t>(entry->path().filename().string());
    struct stat status {};
    if (pid && stat(entry->path().c_str(), &status) == 0 && status.st_uid == geteuid()) {
      processes.push_back(*pid);
    }
  }
  return processes;
}

std::vector<Process> ancestors() {
  std::vector<Process> processes;
  for (pid_t pid = getppid(); pid > 0;) {
    auto process = read_process(pid);
    if (!process) break;
    pid = process->parent;
    processes.push_back(std::move(*process));
  }
  return processes;
}

bool is_make(const Process& process, const char* make_variable) {
  constexpr std::size_t kNameLimit = 15;  // TASK_COMM_LEN - 1, see prctl(2) PR_SET_NAME.
  constexpr std::array<std::string_view, 4> kMakes{"make", "gmake", "gnumake", "remake"};
  std::string_view own_name = make_variable == nullptr ? "" : make_variable;
  own_name.remove_prefix(own_name.rfind('/') + 1);  // npos + 1 is 0.
  own_name = own_name.substr(0, kNameLimit);
  if (!own_name.empty() && process.name == own_name) return true;
  return std::ranges::find(kMakes, without_version(process.name)) != kMakes.end();
}

std::optional<pid_t> nearest_make(const char* make_variable) {
  for (const Process& process : ancestors()) {
    if (is_make(process, make_variable)) return process.pid;
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> command_line(pid_t pid) {
  const auto text = read_whole(proc_path(pid, "cmdline"));
  if (!text) return std::nullopt;
  return split_at_zeros(*text);
}

std::optional<std::vector<std::string>> environment(pid_t pid) {
  const auto text = read_whole(proc_path(pid, "environ"));
  if (!text || (!text->empty() && text->find('=') == std::string::npos)) return std::nullopt;
  return split_at_zeros(*text);
}

bool is_another_users(pid_t pid) {
  struct stat status {};
  const uid_t user = geteuid();
  return user != 0 && stat(proc_path(pid, "").c_str(), &status) == 0 && status.st_uid != user;
}

std::string current_folder() {
  std::error_code error;
  return std::filesystem::current_path(error).string();
}

std::optional<std::string> program_path(pid_t pid) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink(proc_path(pid, "exe"), error);
  if (error) return std::nullopt;
  return path.string();
}

bool has_open(pid_t pid, const struct stat& file) {
  std::error_code error;
  std::filesystem::directory_iterator descriptors(proc_path(pid, "fd"), error);
  for (; !error && descriptors != std::filesystem::directory_iterator();
       descriptors.increment(error)) {
    struct stat status {};
    if (stat(descriptors->path().c_str(), &status) == 0 && status.st_dev == file.st_dev &&
        status.st_ino == file.st_ino) {
      return true;
    }
  }
  return false;
}

std::vector<Process> others_with_open(int fd) {
  std::vector<Process> found;
  struct stat file {};
  if (fstat(fd, &file) != 0) return found;
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc", error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const auto pid = static_cast<pid_t>(std::atoi(entries->path().filename().c_str()));
    if (pid <= 0 || pid == getpid() || !has_open(pid, file)) continue;
    if (auto process = read_process(pid)) found.push_back(std::move(*process));
  }
  return found;
}

std::string descriptor_path(pid_t pid, int fd) {
  return proc_path(pid, "fd/" + std::to_string(fd));
}

}  // namespace jobslots
