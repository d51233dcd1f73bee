#pragma once

/// A socket where other processes of this user connect: AF_UNIX, SOCK_SEQPACKET.

#include <chrono>
#include <optional>
#include <string>

#include "jobslots/unique_fd.h"
#include "system/peer.h"
#include "system/poller.h"

namespace jobslots {

/// A socket that listens at the path, or nothing and errno.
UniqueFd listen_at(const std::string& path);
/// A socket that is connected to who listens at the path, or nothing and errno. Does not wait.
UniqueFd connect_to(const std::string& path);

/// Accepts who connects, as long as there are descriptors.
class Listener {
 public:
  using Time = std::chrono::nanoseconds;

  /// Watches it, unless descriptors are short. Throws as Poller::watch() does.
  void watch(Poller& poller, int listening, Poller::Tag tag, Time now);
  /// When watch() is to be called again though nothing has happened.
  std::optional<Time> watch_again() const { return again_; }
  /// Who connects, if it is the same user, and there are descriptors for it.
  std::optional<Peer> accept(int listening, Time now);
  /// There are descriptors again.
  void descriptor_freed() { again_.reset(); }

 private:
  std::optional<Time> again_;  ///< Short of descriptors, nobody is accepted until then.
};

}  // namespace jobslots
