#pragma once

/// Who of several sessions gets the next slot of a pool, and who is to give one back: the policy of
/// the machine's pool.
///
/// Clients are sessions and commands; each says how many slots it wants to have in all. The rules:
///
///  1. A free slot goes to the waiting client that has the least: of slots now, and of slot-seconds
///     lately. These are halved every kHalfLife, so that who has a slot for ever comes to kWorth of
///     them, and a slot that it has now counts as much. Both are divided by the client's weight. So
///     a short run beside full suites gets the next free slot, and nobody starves. Of equal ones,
///     who has waited longest.
///
///  2. Who wants a slot only where more than so many are free (to start a worker, whose start-up
///     would keep others waiting) gets none otherwise.
///
///  3. While somebody waits, a client is asked to give a slot back at the end of what it runs, once
///     it has had that for kYieldAfter: where the waiting one would get the slot even if this one
///     wanted it too, by kQuantum.
///
///  4. Where others take slots unseen (a make sleeps in read(2) on the pool's fifo), each slot is
///     asked back when it is as old as kHandOverLimit, so that they get their turn.
///
/// A pure state machine: it has no descriptor, no clock and no thread; time is what the caller says
/// it is (any steady clock, never going back). The slots that are free are the caller's.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <numbers>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

namespace jobslots {

class PoolLedger {
 public:
  using ClientId = std::uint64_t;
  using Time = std::chrono::nanoseconds;  ///< Since any fixed point in the past.

  static constexpr Time kHalfLife = std::chrono::seconds(10);
  static constexpr Time kYieldAfter = std::chrono::milliseconds(10);
  /// In slot-seconds for each unit of weight.
  static constexpr double kWorth =
      std::chrono::duration<double>(kHalfLife).count() / std::numbers::ln2;
  static constexpr double kQuantum = 0.1;
  static constexpr Time kPatience = std::chrono::milliseconds(100);
  static constexpr Time kHandOverLimit = std::chrono::milliseconds(100);

  /// The client is there, and has so many slots already: it got them from a pool that has died.
  /// weight is at least 1.
  void join(ClientId client, unsigned weight, std::size_t held, Time now);
  /// It wants to have so many slots in all, those that it has included; the missing ones only while
  /// more than `spare` are free.
  void want(ClientId client, std::size_t total, std::size_t spare, Time now);
  /// Gives so many back. Returns how many it had of them.
  std::size_t give_back(ClientId client, std::size_t count, Time now);
  /// Returns how many slots are free by that. Unknown clients are ignored.
  std::size_t gone(ClientId client, Time now);

  /// Who gets a slot, where so many are free: grant() it, and ask again.
  std::optional<ClientId> next(std::size_t free, Time now) const;
  void grant(ClientId client, Time now);

  struct Asked {
    std::vector<ClientId> clients;  ///< Each is to be asked for one slot more.
    std::optional<Time> again{};    ///< When to ask again though nothing happens.

    void again_at(Time time) { again = std::min(again.value_or(time), time); }
  };
  /// Whom to ask for a slot now; they count as asked.
  Asked ask_back(bool others_unseen, Time now);

  struct Client {
    unsigned weight = 1;
    std::size_t wanted = 0;  ///< In all.
    std::size_t spare = 0;
    std::deque<Time> held{};  ///< When it got each slot, the oldest first.
    std::size_t asked = 0;    ///< How many of these are asked back, the oldest first.
    Time asked_at{};          ///< When it was asked last.
    double used = 0;          ///< Slot-seconds, halved every kHalfLife, at `used_at`.
    Time used_at{};
    Time since{};  ///< When it got or gave back a slot, or began to wait.

    std::size_t missing() const { return wanted > held.size() ? wanted - held.size() : 0; }
    std::size_t unasked() const { return held.size() - asked; }
  };
  const Client* find(ClientId client) const;
  /// Its slot-seconds, halved every kHalfLife.
  static double use(const Client& client, Time now);

  std::size_t clients() const { return clients_.size(); }
  std::size_t held() const { return held_; }
  /// Whether somebody waits who could use any free slot.
  bool somebody_waits() const;

 private:
  /// Waiting clients without a slot, in the order in which they are served: their use falls by the
  /// same factor, so that its logarithm plus the time in half-lives stays what it is.
  using Order = std::tuple<double, Time, ClientId>;
  /// A slot that somebody waits for: what the client has by rule 1, and the slots that it has or is
  /// to have before this one.
  struct Claim {
    double has;
    ClientId client;
    std::size_t slots;
    bool operator>(const Claim& other) const { return has > other.has; }
  };

  static Order order_of(ClientId id, const Client& client);
  /// What the client has by rule 1, where it has so many slots.
  static double has(const Client& client, std::size_t slots, Time now) {
    return (use(client, now) + static_cast<double>(slots) * kWorth) / client.weight;
  }
  bool serves(const Client& client, std::size_t free) const {
    return client.missing() > 0 && free > client.spare;
  }
  void leave_lines(ClientId id, const Client& client);
  void enter_lines(ClientId id, Client& client);
  template <class Change>
  void change(ClientId id, Time now, Change what);
  static std::optional<Time> may_ask(const Client& holder, const Claim& claim, Time now);
  std::size_t coming(Time now, Asked& asked) const;
  bool ask_for(const Claim& claim, Time now, Asked& asked);
  void ask(ClientId id, Time now, Asked& asked);

  std::map<ClientId, Client> clients_;
  std::set<Order> in_line_;             ///< Who waits and has no slot.
  std::set<ClientId> waiting_holders_;  ///< Who waits for more.
  std::set<ClientId> holders_;
  std::size_t held_ = 0;
};

}  // namespace jobslots
