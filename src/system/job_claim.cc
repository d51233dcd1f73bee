#include "system/job_claim.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>

namespace jobslots {
namespace {

/// How long to wait where the owner is just about to come or to go.
constexpr std::chrono::milliseconds kRetry{10};

struct Address {
  sockaddr_un socket{};
  socklen_t size = 0;
};

/// An abstract one: its path begins with a null byte.
Address address_of(const std::string& job) {
  Address address;
  address.socket.sun_family = AF_UNIX;
  const std::size_t size =
      job.copy(address.socket.sun_path + 1, sizeof(address.socket.sun_path) - 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  return address;
}

UniqueFd new_socket() {
  return UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

JobClaim::~JobClaim() {
  stop_waiting();
  give_up();
}

bool JobClaim::try_to_hold(Time now) {
  if (held()) return true;
  stop_waiting();
  const Address address = address_of(job_);
  const auto* const name = reinterpret_cast<const sockaddr*>(&address.socket);
  UniqueFd listener = new_socket();
  if (listener && bind(listener.get(), name, address.size) == 0 &&
      listen(listener.get(), SOMAXCONN) == 0) {
    listener_ = std::move(listener);
    poller_.watch(listener_.get(), kReadable, tag_);
    return true;
  }
  listener.reset();
  UniqueFd owner = new_socket();
  if (!owner || connect(owner.get(), name, address.size) != 0) {
    try_again_ = now + kRetry;
    return false;
  }
  owner_.emplace(std::move(owner));
  poller_.watch(owner_->socket_fd(), kReadable, tag_);
  if (!owner_->same_user()) {
    stop_waiting();
    unshared_ = true;  // Nobody can keep another user from the slot.
  }
  return held();
}

void JobClaim::stop_waiting() {
  try_again_.reset();
  if (!owner_) return;
  poller_.unwatch(owner_->socket_fd());
  owner_.reset();
}

bool JobClaim::others_wait() {
  while (listener_) {
    UniqueFd other(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!other) break;
    others_.push_back(std::move(other));
  }
  std::erase_if(others_, [](const UniqueFd& other) {
    char unused = 0;
    const ssize_t size = recv(other.get(), &unused, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN);
  });
  return !others_.empty();
}

void JobClaim::give_up() {
  unshared_ = false;
  if (!listener_) return;
  poller_.unwatch(listener_.get());
  listener_.reset();
  others_.clear();
}

}  // namespace jobslots
