#include "run/command.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/printable.h"
#include "system/processes.h"

namespace jobslots {
namespace {

void complain(const std::string& text) { std::fprintf(stderr, "jobslots run: %s\n", text.c_str()); }

/// With the cause of the last failed call.
int failed(const std::string& what) {
  complain(what + ": " + std::strerror(errno));
  return kOwnFailure;
}

bool is_below(pid_t pid, pid_t ancestor) {
  while (pid > 0 && pid != ancestor) {
    const auto process = read_process(pid);
    if (!process) return false;
    pid = process->parent;
  }
  return pid == ancestor;
}

/// Whether the command has not been sent it too. The terminal sends its signals to all processes of
/// the group, and so does a command that stops or ends itself and all around it.
bool is_for_us_alone(const signalfd_siginfo& signal) {
  const bool by_a_process =
      signal.ssi_code == SI_USER || signal.ssi_code == SI_TKILL || signal.ssi_code == SI_QUEUE;
  return by_a_process && !is_below(static_cast<pid_t>(signal.ssi_pid), getpid());
}

/// The status of wait(2) with which the command ends.
int wait_for_end(pid_t pid, const HeldSignals& signals, Provision& provision) {
  for (;;) {
    std::array<pollfd, 2> both{pollfd{signals.fd(), POLLIN, 0},
                               pollfd{provision.watched(), POLLIN, 0}};
    const int ready = poll(both.data(), both.size(), provision.look_after());
    if (ready == 0 || both[1].revents != 0) provision.look();
    if (both[0].revents == 0) continue;
    const signalfd_siginfo signal = signals.next();
    const auto number = static_cast<int>(signal.ssi_signo);
    if (number == SIGCHLD) {
      int status = 0;
      if (waitpid(pid, &status, WNOHANG) == pid) return status;
      continue;
    }
    if (is_for_us_alone(signal)) kill(pid, number);
    if (number == SIGTSTP) HeldSignals::take_effect(SIGTSTP);
  }
}

int exit_status(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  if (WTERMSIG(status) == SIGINT) {
    std::signal(SIGINT, SIG_DFL);
    HeldSignals::take_effect(SIGINT);
  }
  return kKilledBySignal + WTERMSIG(status);
}

void apply(const Variables& variables) {
  for (const auto& [name, value] : variables) {
    if (value) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
}

}  // namespace

int become(const Words& command) {
  auto words = command;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp(pointers.front(), pointers.data());
  const int error = errno;
  complain(printable(command.front()) + " cannot be run: " + std::strerror(error));
  return error == ENOENT || error == ENOTDIR ? kNotFound : kNotExecutable;
}

int run_with(const HeldSignals& signals, std::unique_ptr<Provision> provision,
             const Words& command) {
  if (signals.fd() < 0) return failed("cannot receive signals");
  for (;;) {
    const auto slot = provision->take_slot(signals.fd());
    if (const auto* why = std::get_if<Unavailable>(&slot)) {
      complain(why->message());
      return kOwnFailure;
    }
    if (std::get<bool>(slot)) break;
    const auto number = static_cast<int>(signals.next().ssi_signo);
    if (number != SIGCHLD && number != SIGCONT) HeldSignals::take_effect(number);
  }
  apply(provision->variables());
  const pid_t pid = fork();
  if (pid < 0) return failed("cannot start a process");
  if (pid == 0) {
    signals.let_go();
    _exit(provision->prepare_exec() ? become(command) : failed("cannot hand descriptors on"));
  }
  const int status = wait_for_end(pid, signals, *provision);
  if (const std::string text = provision->finish(); !text.empty()) complain(text);
  provision.reset();  // A signal may end this process now.
  return exit_status(status);
}

}  // namespace jobslots
