#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "jobslots/unique_fd.h"

namespace jobslots {

/// A descriptor that becomes readable when the process ends, see pidfd_open(2). Empty where the
/// kernel has none (before 5.3) or refuses, and where JOBSLOTS_NO_PIDFD is set.
UniqueFd open_pidfd(pid_t pid);

/// The process at the other end of a connection: its socket and its life.
class Peer {
 public:
  /// Takes the socket over and looks up who is at its other end (SO_PEERCRED, unix(7)).
  explicit Peer(UniqueFd socket);

  /// Whether the peer runs as the same user as this process.
  bool same_user() const;
  pid_t pid() const { return pid_; }

  /// A pidfd, readable once the process has ended, even where a child of it keeps the socket open.
  /// Negative where the kernel has none (before 5.3) or refuses; then the socket's end must do.
  int life_fd() const { return life_.get(); }
  bool has_life_fd() const { return static_cast<bool>(life_); }
  int socket_fd() const { return socket_.get(); }
  bool connected() const { return static_cast<bool>(socket_); }
  void disconnect() { socket_.reset(); }

  struct Received {
    bool closed = false;  ///< End of file or an error: no message will come any more.
    std::optional<std::string> message;
  };
  /// A packet of more than limit bytes comes as its first limit + 1 bytes.
  Received receive(std::size_t limit);

  /// False where the peer does not take the message: it has gone, or lets its queue fill up.
  bool send(std::string_view message);

  /// Like kill(2), but never hits another process that got the same number meanwhile.
  void signal(int number) const;

 private:
  UniqueFd socket_;
  UniqueFd life_;
  pid_t pid_ = -1;
  uid_t uid_ = static_cast<uid_t>(-1);
};

}  // namespace jobslots
