#pragma once

/// A jobserver client for a program that runs jobs of its own: a test runner, a build tool.
///
///     auto client = jobslots::Client::from_environment();
///     if (auto* jobserver = std::get_if<jobslots::Client>(&client)) {
///       while (!todo.empty() || !running.empty()) {
///         if (todo.empty()) {
///           wait_for(job_ended_fd);
///         } else if (auto slot = jobserver->acquire(job_ended_fd)) {
///           running.push_back(start(todo.pop(), std::move(*slot)));
///         }
///         remove_ended(running);  // their slots give themselves back
///       }
///     }
///
/// A program with running jobs waits for two things, a slot and the end of one of its jobs, which
/// gives a slot back: hence the descriptor that is readable when a job has ended (a signalfd(2) of
/// SIGCHLD, a pidfd, a pipe that the jobs hold open). examples/cpp/pmap.cc is a whole program.
///
/// The first slot is the implicit one, which this process owns; further ones are tokens from make.
/// A process that dies with a token takes it along: keep what may crash in other processes. Not for
/// use by several threads at once. Client and slots may be moved, and destroyed in any order: the
/// jobserver stays open as long as one of them is there. A child process of fork(2) has copies of
/// them, which do nothing there.

#include <memory>
#include <optional>

#include "jobslots/slot.h"
#include "jobslots/token_source.h"

namespace jobslots {

class Client {
 public:
  /// The jobserver that the environment names, or why there is none.
  [[nodiscard]] static Result<Client> from_environment();
  explicit Client(TokenSource tokens);

  Client(Client&& other) noexcept = default;
  /// The slots that this client has handed out so far stay what they are.
  Client& operator=(Client&& other) noexcept = default;
  ~Client() = default;

  /// A slot, or nothing where none is free now.
  [[nodiscard]] std::optional<Slot> try_acquire();

  /// Waits for a slot, or until other_fd is readable or at its end, without using CPU: then there
  /// may be no slot. If the jobserver is lost, only the implicit slot is left, and only other_fd is
  /// waited for while that is in use.
  [[nodiscard]] std::optional<Slot> acquire(int other_fd);

  /// As other_fd: nobody in this program could give a slot back meanwhile, so only the jobserver is
  /// waited for. Where that is lost, nothing comes back while the implicit slot is in use.
  static constexpr int kNothingElse = -1;
  /// A program that holds all slots for jobs of its own would wait for ever: say what else to wait
  /// for.
  std::optional<Slot> acquire() = delete;

  /// For an event loop of one's own: readable when there is a token, or the jobserver is lost. Call
  /// try_acquire then, and also when a slot of this client has been given back, as that may be the
  /// implicit one. Watch it only while a slot is wanted, or it keeps the loop awake. Owned by the
  /// client; -1 once that is moved from.
  int fd() const;
  /// The jobserver has gone: watch its descriptor no more.
  bool lost() const;

 private:
  struct Jobserver;
  /// What the client and its slots share, and what does not move. Null once moved from: such a
  /// client has no slots.
  std::shared_ptr<Jobserver> jobserver_;
};

}  // namespace jobslots
