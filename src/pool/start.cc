#include "pool/start.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "system/processes.h"

namespace jobslots {
namespace {

/// The program that this process runs, where it is jobslots; else the one on PATH.
std::string program() {
  const std::string own = program_path(getpid()).value_or("");
  return std::filesystem::path(own).filename() == "jobslots" ? own : "jobslots";
}

}  // namespace

std::optional<Unavailable> start_pool(const PoolPlace& place) {
  const UniqueFd lock(
      open(place.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
  if (!lock) {
    return Unavailable{Reason::kSystem,
                       "no pool can be started in " + place.directory + ": " + std::strerror(errno),
                       "make room there, or name another folder: JOBSLOTS_POOL=/path/of/a/folder"};
  }
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  std::string name = program();
  std::array<std::string, 4> words{name, "pool", kServePool, place.directory};
  const std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(),
                                       words[3].data(), nullptr};
  const pid_t starter = fork();
  if (starter == 0) {  // Only what is allowed in a child of several threads (fork(2)).
    setsid();
    dup2(lock.get(), STDIN_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(errno == ENOENT ? 127 : 126);
  }
  int status = 0;
  while (starter > 0 && waitpid(starter, &status, 0) < 0 && errno == EINTR) continue;
  if (starter > 0 && status == 0) return std::nullopt;
  // 127 is what the child above ends with where there is no such program.
  if (starter > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return Unavailable{Reason::kSystem,
                       "no pool can be started: there is no program " + name + " on PATH",
                       "install pytest-xdist-gnumake, or add the folder of jobslots to PATH"};
  }
  return Unavailable{Reason::kSystem, "no pool can be started: " + name + " does not run",
                     "reinstall pytest-xdist-gnumake"};
}

}  // namespace jobslots
