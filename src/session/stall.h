#pragma once

/// Whether a session stands still: somebody waits for a slot, none has been granted or given back
/// for kLimit, and those who have one have used next to no CPU time meanwhile. They may be waiting
/// for what a waiting worker has: a lock, a port, the other half of a handshake. Where their CPU
/// time is not seen from here they may as well be working, and kLimitUnseen is what they get for
/// it.

#include <chrono>
#include <optional>

namespace jobslots {

class Stall {
 public:
  using Time = std::chrono::nanoseconds;

  static constexpr Time kLimit = std::chrono::seconds(10);
  static constexpr Time kLimitUnseen = std::chrono::seconds(60);
  /// The first look comes sooner, to have something to compare the next one with.
  static constexpr Time kFirstLook = std::chrono::seconds(2);
  /// The share of a CPU that a process needs to look again and again whether it may go on.
  static constexpr double kIdleShare = 0.02;

  /// A slot was granted or given back.
  void moved(Time now) {
    since_ = now;
    last_.reset();
  }

  /// When the holders' CPU time is to be looked at next.
  Time look_at() const { return last_ ? last_->when + wait_ : since_ + kFirstLook; }

  /// The CPU time that the holders, so many, have used in their lives; nothing where it is not
  /// seen. True: nothing moves.
  bool looked(std::optional<Time> cpu, std::size_t holders, Time now) {
    const auto before = last_;
    wait_ = before ? kLimit : kLimit - kFirstLook;
    last_ = Look{now, cpu};
    if (!cpu) return now - since_ >= kLimitUnseen;
    if (!before || !before->cpu) return false;
    const auto idle = static_cast<double>((now - before->when).count()) * kIdleShare;
    return static_cast<double>((*cpu - *before->cpu).count()) <=
           idle * static_cast<double>(holders);
  }

 private:
  struct Look {
    Time when;
    std::optional<Time> cpu;
  };
  Time since_{};
  Time wait_{};
  std::optional<Look> last_;
};

}  // namespace jobslots
