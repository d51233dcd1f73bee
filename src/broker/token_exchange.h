#pragma once

/// Where the broker takes tokens and gives them back: a TokenSource, what its pipe has not taken
/// back yet, and what the poller watches of it.

#include <optional>
#include <string>

#include "jobslots/token_source.h"
#include "session/ledger.h"
#include "system/poller.h"

namespace jobslots {

class TokenExchange {
 public:
  using Need = Ledger::Need::Of;

  /// The poller must outlive this; it knows what is watched here by the tag.
  TokenExchange(Poller& poller, Poller::Tag tag, TokenSource source)
      : poller_(poller), tag_(tag), source_(std::move(source)) {}

  /// Watches for what is needed. Throws as Poller::watch() does.
  void watch(Need need);

  /// How many tokens lie there, as far as that matters to the need.
  std::size_t free(Need need) const;
  /// The number that lies there, where the jobserver can tell.
  std::optional<std::size_t> count() const;
  /// One of those first that make's pipe has not taken back yet.
  std::optional<char> try_take();

  /// Returns the token, at once or when there is room.
  void give_back(char token);
  /// Returns what can be returned now.
  void return_tokens();
  /// The same where nobody will call again: waits some seconds for room in make's pipe.
  void return_tokens_at_last();
  bool all_returned() const { return returning_.empty(); }

 private:
  Poller& poller_;
  Poller::Tag tag_;
  TokenSource source_;
  std::string returning_;
};

}  // namespace jobslots
