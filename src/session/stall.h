#pragma once

/// Whether a session stands still: somebody waits for a slot, none has been granted or given back
/// for kLimit, and those who have one have neither used any CPU time to speak of meanwhile nor
/// wanted it. They may be waiting for what a waiting worker has: a lock, a port, the other half of
/// a handshake. Where their CPU time is not seen from here they may as well be working, and
/// kLimitUnseen is what they get for it.

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
  /// The share of the time that such a process may wait for a CPU, where many others want one. Who
  /// works there waits all the time.
  static constexpr double kQueuedShare = 0.5;

  /// Of the holders' lives: the CPU time that they have used, and the time in which they could have
  /// used more, but others had the CPUs.
  struct Cpu {
    Time used{};
    Time queued{};
  };

  /// A slot was granted or given back.
  void moved(Time now) {
    since_ = now;
    last_.reset();
  }

  /// When the holders' CPU time is to be looked at next.
  Time look_at() const { return last_ ? last_->when + wait_ : since_ + kFirstLook; }

  /// What the holders, so many, have got; nothing where it is not seen. True: nothing moves.
  bool looked(std::optional<Cpu> cpu, std::size_t holders, Time now) {
    const auto before = last_;
    wait_ = before ? kLimit : kLimit - kFirstLook;
    last_ = Look{now, cpu};
    if (!cpu) return now - since_ >= kLimitUnseen;
    if (!before || !before->cpu) return false;
    const auto passed = static_cast<double>((now - before->when).count());
    const auto at_most = [&](Time time, double share) {
      return static_cast<double>(time.count()) <= passed * share * static_cast<double>(holders);
    };
    return at_most(cpu->used - before->cpu->used, kIdleShare) &&
           at_most(cpu->queued - before->cpu->queued, kQueuedShare);
  }

 private:
  struct Look {
    Time when;
    std::optional<Cpu> cpu;
  };
  Time since_{};
  Time wait_{};
  std::optional<Look> last_;
};

}  // namespace jobslots
