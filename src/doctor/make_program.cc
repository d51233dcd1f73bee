#include "doctor/make_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <vector>

#include "jobslots/unique_fd.h"

namespace jobslots {
namespace {

bool can_be_run(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

/// The environment without what makes a make a part of this one, or gives it options.
std::vector<char*> environment_without_make() {
  constexpr std::array<std::string_view, 6> kLeftOut{
      "MAKEFLAGS=", "MFLAGS=", "CARGO_MAKEFLAGS=", "MAKELEVEL=", "GNUMAKEFLAGS=", "MAKEFILES="};
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const auto begins = [text](std::string_view name) { return text.starts_with(name); };
    if (std::ranges::none_of(kLeftOut, begins)) variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  return variables;
}

/// Starts `path --version`, leader of a process group of its own, with output as its descriptor 1.
/// The process, or nothing where it cannot be started.
std::optional<pid_t> start_version(std::string path, int output) {
  std::string option = "--version";
  std::array<char*, 3> arguments{path.data(), option.data(), nullptr};
  std::vector<char*> environment = environment_without_make();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, path.c_str(), &files, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? std::optional(pid) : std::nullopt;
}

/// The text up to the first line's end, which may be the text's end. Empty where it takes too long.
std::string read_line(int fd, std::chrono::milliseconds limit) {
  constexpr std::size_t kLongest = 1000;
  const auto end = std::chrono::steady_clock::now() + limit;
  std::string line;
  while (line.size() < kLongest) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(end - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(0)));
    pollfd readable{fd, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(left.count())) != 1) return "";
    char c = 0;
    if (read(fd, &c, 1) != 1 || c == '\n') return line;
    line += c;
  }
  return line;
}

std::string version_of(const std::string& path, std::chrono::milliseconds limit) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return "";
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  const auto pid = start_version(path, input.get());
  input.reset();
  if (!pid) return "";
  std::string line = read_line(output.get(), limit);
  // Whatever it goes on with, or has started, is not wanted.
  kill(-*pid, SIGKILL);
  waitpid(*pid, nullptr, 0);
  return line;
}

}  // namespace

std::optional<MakeProgram> make_on_path(std::string_view path, std::chrono::milliseconds limit) {
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string folder(path.substr(0, colon));
    const std::string program = (folder.empty() ? "." : folder) + "/make";
    if (can_be_run(program)) return MakeProgram{program, version_of(program, limit)};
    if (colon == std::string_view::npos) return std::nullopt;
    path.remove_prefix(colon + 1);
  }
}

std::optional<MakeProgram> program_of(pid_t pid, std::chrono::milliseconds limit) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error);
  if (error) return std::nullopt;
  return MakeProgram{path, version_of(path, limit)};
}

}  // namespace jobslots
