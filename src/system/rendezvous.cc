#include "system/rendezvous.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace jobslots {
namespace {

/// A listening socket at path, or nothing and errno.
UniqueFd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return UniqueFd();
  }
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return socket;
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(socket.get(), SOMAXCONN) != 0) {
    return UniqueFd();
  }
  return socket;
}

}  // namespace

Result<Rendezvous> Rendezvous::create(const char* tmpdir) {
  std::string failures;
  for (const char* place : std::array{tmpdir, "/tmp", "/var/tmp", "/dev/shm"}) {
    if (place == nullptr || *place != '/') continue;
    std::string directory = std::string(place) + "/jobslots-XXXXXX";
    if (mkdtemp(directory.data()) != nullptr) {
      std::string path = directory + "/broker";
      if (UniqueFd socket = listen_at(path)) {
        return Rendezvous(std::move(socket), std::move(directory), std::move(path));
      }
    }
    const int error = errno;
    rmdir(directory.c_str());
    failures += (failures.empty() ? "" : ", ") + std::string(place) + ": " + std::strerror(error);
  }
  return Unavailable{Reason::kSystem, "no place for the broker's socket (" + failures + ")"};
}

Rendezvous::~Rendezvous() {
  if (!socket_) return;  // Moved from.
  unlink(socket_path_.c_str());
  rmdir(directory_.c_str());
}

}  // namespace jobslots
