#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "system/peer.h"

namespace jobslots {
namespace {

// By number, as C libraries got wrappers only later (glibc 2.36). The numbers are the same on every
// architecture, see pidfd_open(2) and pidfd_send_signal(2).
constexpr long kPidfdSendSignal = 424;
constexpr long kPidfdOpen = 434;

/// Set by tests, to see the broker do without pidfds where the kernel has them.
constexpr const char* kNoPidfd = "JOBSLOTS_NO_PIDFD";

}  // namespace

UniqueFd open_pidfd(pid_t pid) {
  // A process of another pid namespace has no number here: 0.
  if (pid <= 0 || std::getenv(kNoPidfd) != nullptr) return UniqueFd();
  return UniqueFd(static_cast<int>(syscall(kPidfdOpen, pid, 0)));
}

Peer::Peer(UniqueFd socket) : socket_(std::move(socket)) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
  pid_ = credentials.pid;
  uid_ = credentials.uid;
  life_ = open_pidfd(pid_);
}

bool Peer::same_user() const { return uid_ == geteuid(); }

Peer::Received Peer::receive(std::size_t limit) {
  std::string buffer(limit + 1, '\0');
  const auto next = [&] { return recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT); };
  ssize_t size = next();
  // Said once, and before all else, where the other side has closed and left something unread. What
  // it had said itself is still there.
  if (size < 0 && errno == ECONNRESET) size = next();
  if (size > 0) {
    buffer.resize(static_cast<std::size_t>(size));
    return {false, std::move(buffer)};
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  return {true, std::nullopt};
}

bool Peer::send(std::string_view message) {
  const ssize_t size =
      ::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return size == static_cast<ssize_t>(message.size());
}

void Peer::signal(int number) const {
  if (has_life_fd()) {
    syscall(kPidfdSendSignal, life_.get(), number, nullptr, 0);
  } else if (pid_ > 0) {
    kill(pid_, number);
  }
}

}  // namespace jobslots
