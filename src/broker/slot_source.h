#pragma once

/// Where a session's slots come from: make's jobserver, or a pool.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "session/ledger.h"

namespace jobslots {

/// All that waits or watches throws as Poller::watch() does.
class SlotSource {
 public:
  using Need = Ledger::Need;
  using Time = Ledger::Time;

  virtual ~SlotSource() = default;

  /// N of make's -jN or of the pool, 0 where that is not known.
  virtual unsigned job_slots() const = 0;
  /// Watches for what is needed, and gives back what is not. To be called before each wait.
  virtual void watch(const Need& need, Time now) = 0;
  /// What it watches has changed, or the time has come that again() says.
  virtual void look(Time now) = 0;
  virtual std::optional<Time> again() const { return std::nullopt; }

  /// How many slots are free, as far as that matters to the need.
  virtual std::size_t free(const Need& need) const = 0;
  /// Whether free() is the last word on this need: a pool has to be asked.
  virtual bool is_settled(const Need&) const { return true; }
  /// The number that is free, where that is known.
  virtual std::optional<std::size_t> count() const = 0;
  /// A slot's token.
  virtual std::optional<char> try_take() = 0;
  /// How many slots are asked back since the last time.
  virtual std::size_t take_asked_back() { return 0; }

  virtual void give_back(char token) = 0;
  /// Gives back what is left where nobody will call again: waits some seconds for room, if need be.
  virtual void finish() = 0;
  virtual bool all_returned() const = 0;

  /// What the session is called, for those who look at the source.
  virtual void set_title(const std::string&) {}
  /// What people are to know of the source, once; mostly nothing.
  virtual std::string take_note() { return {}; }
};

}  // namespace jobslots
