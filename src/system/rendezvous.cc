#include "system/rendezvous.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "system/listener.h"

namespace jobslots {
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
