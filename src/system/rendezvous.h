#pragma once

#include <string>

#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

/// The place where workers find the broker: a listening SOCK_SEQPACKET socket in a directory that
/// only this user can enter (0700). Both are removed when this is destroyed.
class Rendezvous {
 public:
  /// Makes the directory in $TMPDIR, else in the first of the system's usual places that allows it.
  /// A place whose path is too long for a socket address (sun_path, unix(7)) is passed over.
  static Result<Rendezvous> create(const char* tmpdir);

  Rendezvous(Rendezvous&& other) noexcept = default;
  Rendezvous& operator=(Rendezvous&& other) = delete;
  ~Rendezvous();

  int listening_fd() const { return socket_.get(); }
  const std::string& socket_path() const { return socket_path_; }

 private:
  Rendezvous(UniqueFd socket, std::string directory, std::string socket_path)
      : socket_(std::move(socket)),
        directory_(std::move(directory)),
        socket_path_(std::move(socket_path)) {}

  UniqueFd socket_;
  std::string directory_;
  std::string socket_path_;
};

}  // namespace jobslots
