#include "pool/start.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "system/processes.h"
#include "system/wait.h"

namespace jobslots {
namespace {

/// The program that this process runs, where it is jobslots; else the one on PATH.
std::string program() {
  const std::string own = program_path(getpid()).value_or("");
  return std::filesystem::path(own).filename() == "jobslots" ? own : "jobslots";
}

Unavailable cannot_start(const PoolPlace& place, const std::string& why, const std::string& cure) {
  return {Reason::kSystem, "no pool can be started in " + place.directory + ": " + why, cure};
}

/// What there is in the pipe, whose writers have ended.
std::string read_report(int report) {
  std::string text(PIPE_BUF, '\0');
  const ssize_t size = is_readable(report) ? read(report, text.data(), text.size()) : 0;
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return text;
}

/// In the report of a child that could not be executed.
constexpr char kNoSuchProgram = '?';
constexpr char kNotExecutable = '!';

}  // namespace

std::optional<Unavailable> start_pool(const PoolPlace& place, bool follows_another) {
  const UniqueFd lock(
      open(place.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
  if (!lock && errno == ENOENT) return std::nullopt;  // The folder has just been removed.
  if (!lock) return cannot_start(place, std::strerror(errno), kMakeRoom);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  std::string name = program();
  std::array<std::string, 4> words{name, "pool", follows_another ? kServeNextPool : kServePool,
                                   place.directory};
  const std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(),
                                       words[3].data(), nullptr};
  std::array<int, 2> report{};
  if (pipe2(report.data(), O_CLOEXEC) != 0) {
    return cannot_start(place, std::strerror(errno), "allow more descriptors (ulimit -n)");
  }
  const UniqueFd report_reading(report[0]);
  const UniqueFd report_writing(report[1]);
  const pid_t starter = fork();
  if (starter == 0) {  // Only what is allowed in a child of several threads (fork(2)).
    setsid();
    dup2(lock.get(), STDIN_FILENO);
    dup2(report_writing.get(), STDOUT_FILENO);
    execvp(arguments[0], arguments.data());
    const char why_not = errno == ENOENT ? kNoSuchProgram : kNotExecutable;
    [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, &why_not, 1);
    _exit(EXIT_FAILURE);
  }
  // Where SIGCHLD is ignored, as in a session's broker, the status is not known: wait(2).
  int status = 0;
  while (starter > 0 && waitpid(starter, &status, 0) < 0 && errno == EINTR) continue;
  const std::string text = read_report(report_reading.get());
  if (starter > 0 && status == 0 && text.empty()) return std::nullopt;
  if (!is_same_file(place.lock(), lock.get())) return std::nullopt;  // Its folder is not there.
  if (text.size() > 1) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    return cannot_start(place, text.substr(0, end), text.substr(end + 1));
  }
  if (text == std::string(1, kNoSuchProgram)) {
    return Unavailable{Reason::kSystem,
                       "no pool can be started: there is no program " + name + " on PATH",
                       "install pytest-xdist-gnumake, or add the folder of jobslots to PATH"};
  }
  return Unavailable{Reason::kSystem, "no pool can be started: " + name + " does not run",
                     "reinstall pytest-xdist-gnumake"};
}

}  // namespace jobslots
