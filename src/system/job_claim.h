#pragma once

/// The one implicit slot of a job, which the sessions below it share.
///
/// Who has it has bound an abstract socket of the job's name (unix(7)): the kernel gives that up
/// when its owner dies. The others are connected to it, so that the owner knows of them, and they
/// see when it gives up. All tries of one job exclude each other; sessions of other network
/// namespaces do not see each other.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "jobslots/unique_fd.h"
#include "system/peer.h"
#include "system/poller.h"

namespace jobslots {

class JobClaim {
 public:
  using Time = std::chrono::nanoseconds;

  /// The poller must outlive this; it knows what is watched here by the tag.
  JobClaim(Poller& poller, Poller::Tag tag, std::string job)
      : poller_(poller), tag_(tag), job_(std::move(job)) {}
  JobClaim(const JobClaim&) = delete;
  JobClaim& operator=(const JobClaim&) = delete;
  ~JobClaim();

  bool held() const { return unshared_ || listener_; }
  /// Tries to get it, or waits for its owner. Whether it is held now. To be called again when the
  /// poller tells of the tag, and at try_again().
  /// Throws as Poller::watch() does, and so do the others.
  bool try_to_hold(Time now);
  std::optional<Time> try_again() const { return try_again_; }
  /// Stops waiting for it.
  void stop_waiting();
  /// Whether another session waits for it.
  bool others_wait();
  void give_up();

 private:
  Poller& poller_;
  Poller::Tag tag_;
  std::string job_;
  UniqueFd listener_;             ///< While it is held.
  std::vector<UniqueFd> others_;  ///< Those that wait, while it is held.
  std::optional<Peer> owner_;     ///< Who has it, while this waits.
  bool unshared_ = false;         ///< The name is another user's.
  std::optional<Time> try_again_;
};

}  // namespace jobslots
