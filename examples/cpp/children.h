#pragma once

/// Child processes that each hold a job slot: what the examples start their commands with.

#include <jobslots/slot.h>
#include <jobslots/unique_fd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>

class Children {
 public:
  Children() {
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, &mask_before_);
    ended_ = jobslots::UniqueFd(signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!ended_) throw std::runtime_error("no signalfd");
  }

  /// Readable when a child has ended.
  int fd() const { return ended_.get(); }
  bool running() const { return !slots_.empty(); }
  std::size_t count() const { return slots_.size(); }
  /// The exit status of the first one that has failed, else 0.
  int status() const { return status_; }

  /// Runs a shell command, which has the slot until it ends. In the child, prepare comes first.
  void start(jobslots::Slot slot, const char* command, const std::function<void()>& prepare) {
    const pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("no process");
    if (pid == 0) {
      sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
      prepare();
      execl("/bin/sh", "sh", "-c", command, nullptr);
      _exit(127);
    }
    slots_.emplace(pid, std::move(slot));
  }

  /// The slots of those that have ended give themselves back.
  void remove_ended() {
    signalfd_siginfo what{};
    while (read(ended_.get(), &what, sizeof(what)) > 0) {
    }
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      slots_.erase(pid);
      if (status_ == 0 && status != 0) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
  }

  /// Waits until a child has ended.
  void wait() {
    siginfo_t info{};
    waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
    remove_ended();
  }

 private:
  jobslots::UniqueFd ended_;
  sigset_t mask_before_{};
  std::map<pid_t, jobslots::Slot> slots_;
  int status_ = 0;
};
