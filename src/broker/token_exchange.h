#pragma once

/// Where the broker takes tokens and gives them back: a TokenSource, what its pipe has not taken
/// back yet, and what the poller watches of it.

#include <optional>
#include <string>

#include "broker/slot_source.h"
#include "jobslots/token_source.h"
#include "system/poller.h"

namespace jobslots {

class TokenExchange : public SlotSource {
 public:
  /// The poller must outlive this; it knows what is watched here by the tag.
  TokenExchange(Poller& poller, Poller::Tag tag, TokenSource source)
      : poller_(poller), tag_(tag), source_(std::move(source)) {}

  unsigned job_slots() const override { return source_.makeflags().job_slots.value_or(0); }
  void watch(const Need& need, Time now) override;
  /// Returns what can be returned now.
  void look(Time now) override;

  std::size_t free(const Need& need) const override;
  std::optional<std::size_t> count() const override;
  /// One of those first that make's pipe has not taken back yet.
  std::optional<char> try_take() override;

  /// Returns the token, at once or when there is room.
  void give_back(char token) override;
  void finish() override;
  bool all_returned() const override { return returning_.empty(); }

 private:
  void return_tokens();

  Poller& poller_;
  Poller::Tag tag_;
  TokenSource source_;
  std::string returning_;
};

}  // namespace jobslots
