#pragma once

/// What a loop waits for: descriptors that become readable or writable. A process is watched
/// through a descriptor too, see Peer::life_fd().

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

/// What a descriptor is watched for.
struct Interest {
  bool readable = false;
  bool writable = false;
  /// Tell changes only: what is there when the watch begins counts as one.
  bool changes = false;
  bool operator==(const Interest&) const = default;
  bool any() const { return readable || writable; }
};
inline constexpr Interest kNoInterest{};
inline constexpr Interest kReadable{.readable = true};

class Poller {
 public:
  using Tag = std::uint64_t;  ///< What the loop knows a watched descriptor by.

  /// Unavailable where the system has no descriptor or memory left.
  static Result<Poller> create();

  /// Sets what a descriptor is watched for; asking for the same again costs nothing. A descriptor
  /// is to be unwatched before it is closed.
  /// Throws std::system_error where the system cannot: no memory, too many watches (epoll_ctl(2)).
  void watch(int fd, Interest interest, Tag tag);
  void unwatch(int fd) { watch(fd, kNoInterest, 0); }

  /// Waits until something has happened, at the longest so long, and says to which descriptors.
  /// Throws std::system_error where it cannot wait.
  std::vector<Tag> wait(std::optional<std::chrono::nanoseconds> limit);

 private:
  explicit Poller(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  std::unordered_map<int, Interest> watched_;
};

}  // namespace jobslots
