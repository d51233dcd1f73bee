#include "doctor/make_program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>
#include <vector>

#include "jobslots/unique_fd.h"
#include "system/processes.h"
#include "system/spawn.h"

namespace jobslots {
namespace {

bool can_be_run(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

/// The environment without what makes a make a part of this one, or gives it options.
std::vector<std::string> environment_without_make() {
  constexpr std::array<std::string_view, 6> kLeftOut{
      "MAKEFLAGS=", "MFLAGS=", "CARGO_MAKEFLAGS=", "MAKELEVEL=", "GNUMAKEFLAGS=", "MAKEFILES="};
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const auto begins = [text](std::string_view name) { return text.starts_with(name); };
    if (std::ranges::none_of(kLeftOut, begins)) variables.emplace_back(text);
  }
  return variables;
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
  const auto started = spawn({path, {path, "--version"}, environment_without_make()}, input.get());
  input.reset();
  const auto* pid = std::get_if<pid_t>(&started);
  if (pid == nullptr) return "";
  std::string line = read_line(output.get(), limit);
  // Whatever it goes on with, or has started, is not wanted. One that may not be ended ends itself.
  std::ignore = end_group(*pid);
  return line;
}

}  // namespace

std::optional<MakeProgram> make_on_path(std::string_view path, std::chrono::milliseconds limit) {
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string folder(path.substr(0, colon));
    const std::string program = (folder.empty() ? "." : folder) + "/make";
    if (can_be_run(program)) return make_at(program, limit);
    if (colon == std::string_view::npos) return std::nullopt;
    path.remove_prefix(colon + 1);
  }
}

MakeProgram make_at(std::string path, std::chrono::milliseconds limit) {
  std::string version = version_of(path, limit);
  return {std::move(path), std::move(version)};
}

bool ends_with_a_fifo(const MakeProgram& make) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(make.version.c_str(), "GNU Make %d.%d", &major, &minor) != 2) return false;
  return major < 4 || (major == 4 && minor < 4);
}

std::optional<MakeProgram> program_of(pid_t pid, std::chrono::milliseconds limit) {
  const auto path = program_path(pid);
  if (!path) return std::nullopt;
  return make_at(*path, limit);
}

}  // namespace jobslots
