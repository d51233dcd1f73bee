#pragma once

/// A session's slots from a pool.

#include <optional>
#include <string>
#include <utility>

#include "broker/slot_source.h"
#include "jobslots/pool_client.h"
#include "system/poller.h"

namespace jobslots {

/// When the pool dies, or does not answer, the session keeps what it has, and says so to the next
/// one. Where there is no next one, and it has nothing, it goes on with one slot.
class PoolSource : public SlotSource {
 public:
  /// The poller must outlive this; it knows what is watched here by the tag.
  PoolSource(Poller& poller, Poller::Tag tag, PoolClient pool)
      : poller_(poller), tag_(tag), pool_(std::move(pool)) {}

  unsigned job_slots() const override { return pool_.job_slots(); }
  void watch(const Need& need, Time now) override;
  void look(Time now) override;
  std::optional<Time> again() const override;

  std::size_t free(const Need& need) const override;
  bool is_settled(const Need& need) const override;
  std::optional<std::size_t> count() const override { return pool_.free(); }
  std::optional<char> try_take() override;
  std::size_t take_asked_back() override;

  void give_back(char token) override;
  void finish() override {}
  bool all_returned() const override { return true; }

  void set_title(const std::string& title) override { pool_.set_title(title); }
  std::string take_note() override { return std::exchange(note_, {}); }

 private:
  /// Granted, and not taken by the session.
  std::size_t in_hand() const { return pool_.held() - taken_; }
  std::size_t wanted(const Need& need) const { return taken_ + need.tokens; }
  void give_back(std::size_t count);
  void lose(Time now);
  void connect(Time now);

  Poller& poller_;
  Poller::Tag tag_;
  PoolClient pool_;
  std::size_t taken_ = 0;  ///< Those that the session has.
  std::size_t told_ = 0;   ///< How many of those that are asked back the session knows of.
  std::optional<Time> unanswered_since_;
  std::optional<Time> connect_again_;
  Time lost_since_{};
  bool alone_ = false;  ///< It goes on without a pool.
  std::string note_;
};

}  // namespace jobslots
