#include "system/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace jobslots {
namespace {

/// What is to become of the new process' descriptors and its group. The answers of these calls are
/// error numbers (ENOMEM, for instance); the first one that is none is kept.
class Plan {
 public:
  explicit Plan(int output) {
    note(posix_spawn_file_actions_init(&files_));
    note(posix_spawnattr_init(&attributes_));
    if (error_ != 0) return;
    note(posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO));
    note(posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    note(posix_spawn_file_actions_addopen(&files_, STDERR_FILENO, "/dev/null", O_WRONLY, 0));
    note(posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP));
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&files_);
  }

  int error() const { return error_; }
  const posix_spawn_file_actions_t* files() const { return &files_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  void note(int error) {
    if (error_ == 0) error_ = error;
  }

  // Zeros are what the two init functions write too: destroy may be called in any case.
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
  int error_ = 0;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Result<pid_t> spawn(const Program& program, int output) {
  const Plan plan(output);
  auto arguments = program.arguments;
  auto environment = program.environment;
  pid_t pid = 0;
  int error = plan.error();
  if (error == 0) {
    error = posix_spawn(&pid, program.path.c_str(), plan.files(), plan.attributes(),
                        pointers(arguments).data(), pointers(environment).data());
  }
  if (error == 0) return pid;
  return Unavailable{Reason::kSystem,
                     "\"" + program.path + "\" cannot be started: " + std::strerror(error)};
}

bool end_group(pid_t leader) {
  // ESRCH: it has ended, and this process was started with SIGCHLD ignored, see wait(2).
  if (kill(-leader, SIGKILL) != 0) return errno == ESRCH;
  while (waitpid(leader, nullptr, 0) < 0) {
    if (errno != EINTR) return errno == ECHILD;
  }
  return true;
}

}  // namespace jobslots
