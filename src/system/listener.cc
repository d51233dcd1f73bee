#include "system/listener.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

namespace jobslots {
namespace {

/// How often to try to accept connections while nothing tells that there are descriptors again.
constexpr std::chrono::seconds kPause{1};

/// Does bind(2) or connect(2), or another call of their form. An empty result comes with errno.
template <class Call>
UniqueFd socket_at(const std::string& path, Call call) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return UniqueFd();
  }
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return socket;
  const auto* const general = reinterpret_cast<const sockaddr*>(&address);
  return call(socket.get(), general, sizeof(address)) == 0 ? std::move(socket) : UniqueFd();
}

}  // namespace

UniqueFd listen_at(const std::string& path) {
  UniqueFd socket = socket_at(path, bind);
  return socket && listen(socket.get(), SOMAXCONN) == 0 ? std::move(socket) : UniqueFd();
}

UniqueFd connect_to(const std::string& path) { return socket_at(path, connect); }

void Listener::watch(Poller& poller, int listening, Poller::Tag tag, Time now) {
  if (again_ && now >= *again_) again_.reset();
  poller.watch(listening, {.readable = !again_}, tag);
}

std::optional<Peer> Listener::accept(int listening, Time now) {
  UniqueFd socket(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    const bool short_of_them =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (short_of_them) again_ = now + kPause;
    return std::nullopt;
  }
  Peer peer(std::move(socket));
  return peer.same_user() ? std::optional(std::move(peer)) : std::nullopt;
}

}  // namespace jobslots
