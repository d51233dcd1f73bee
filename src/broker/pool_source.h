#pragma once

/// A session's slots from a pool.

#include <optional>
#include <string>
#include <utility>

#include "broker/slot_source.h"
#include "pool/connection.h"
#include "system/poller.h"

namespace jobslots {

/// What the pool is told of the session.
struct SessionInPool {
  unsigned weight = 1;
  std::string title;
  std::string folder;
  std::string socket;  ///< The broker's, which can be asked for the session's status.
};

/// When the pool dies, the session keeps what it has, and says so to the next one.
class PoolSource : public SlotSource {
 public:
  /// The poller must outlive this; it knows what is watched here by the tag.
  PoolSource(Poller& poller, Poller::Tag tag, PoolPlace place, PoolConnection pool,
             SessionInPool session);

  unsigned job_slots() const override { return pool_.welcome().job_slots; }
  void watch(const Need& need, Time now) override;
  void look(Time now) override;
  std::optional<Time> again() const override { return connect_again_; }

  std::size_t free(const Need& need) const override;
  bool is_settled(const Need& need) const override;
  std::optional<std::size_t> count() const override { return free_; }
  std::optional<char> try_take() override;
  std::size_t take_asked_back() override { return std::exchange(asked_back_, 0); }

  void give_back(char token) override;
  void finish() override {}
  bool all_returned() const override { return true; }

  void set_title(const std::string& title) override;
  std::string take_note() override { return std::exchange(note_, {}); }

 private:
  pool::Want want_for(const Need& need) const;
  void introduce();
  void lose(Time now);
  void hear(const pool::ToClient& message);

  Poller& poller_;
  Poller::Tag tag_;
  PoolPlace place_;
  PoolConnection pool_;
  SessionInPool session_;
  std::size_t in_hand_ = 0;    ///< Granted, and not taken by the session yet.
  std::size_t taken_ = 0;      ///< Those that the session has.
  std::size_t free_ = 0;       ///< As the pool has last said.
  pool::Want wanted_;          ///< What the pool was told last.
  std::size_t unsettled_ = 0;  ///< How many wants are not answered.
  std::size_t asked_back_ = 0;
  std::optional<Time> connect_again_;
  std::string note_;
};

}  // namespace jobslots
