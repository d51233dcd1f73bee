#pragma once

/// Who holds which job slot, and who waits: the policy of one session that shares make's job slots
/// among its clients.
///
/// The session owns the *implicit slot* from birth and takes *tokens* from make for all further
/// slots. The rules:
///
///  1. The implicit slot goes first. A token is wanted only when it is in use and a client waits.
///  2. Clients are served in the order in which they asked.
///  3. Every token goes back to make, the same byte, once; at once where nobody here waits for it.
///  4. When the implicit slot becomes free while a client holds a token and nobody waits, that
///  client
///     moves onto the implicit slot and its token goes back. The client never notices.
///  5. Courtesy: a token passes from client to client for at most kHandOverLimit; then it goes back
///  and
///     no token is wanted for kCourtesyPause, so that make, woken by the write, can have it first.
///     Otherwise a session in which somebody always waits would starve its neighbours.
///
/// A pure state machine: events in, actions out. It has no descriptor, no clock and no thread; time
/// is what the caller says it is (any steady clock, never going back). The caller carries the
/// actions out in order.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

namespace jobslots {

class Ledger {
 public:
  using ClientId = std::uint64_t;
  using Time = std::chrono::nanoseconds;  ///< Since any fixed point in the past.

  static constexpr Time kHandOverLimit = std::chrono::milliseconds(100);
  static constexpr Time kCourtesyPause = std::chrono::milliseconds(1);

  /// The client has a job slot from now on, until it says done or is gone.
  struct Grant {
    ClientId client;
  };
  /// The byte is to be written back to make.
  struct ReturnToken {
    char token;
  };
  /// The client broke the protocol (asked twice, gave back what it has not). Nothing was changed.
  struct Refuse {
    ClientId client;
    const char* why;
  };
  using Action = std::variant<Grant, ReturnToken, Refuse>;
  using Actions = std::vector<Action>;

  enum class State { kUnknown, kIdle, kWaiting, kHolding };

  Actions join(ClientId client);
  Actions want(ClientId client, Time now);
  Actions done(ClientId client, Time now);
  /// The client has ended in whatever state it was. Unknown clients are ignored.
  Actions gone(ClientId client, Time now);
  /// A token was read from make. Tokens that nobody needs any more come straight back as actions.
  Actions token_read(char token, Time now);
  /// The session's parent no longer accounts for it (the controller died): the implicit slot has
  /// gone back to make. A client that works on it goes on, and the next token is for it.
  Actions implicit_slot_lost(Time now);

  /// Whether a token should be read from make now.
  bool wants_token(Time now) const;
  /// When wants_token() will become true without any event. Nothing where time changes nothing.
  std::optional<Time> next_deadline(Time now) const;

  State state_of(ClientId client) const;
  std::size_t clients() const { return clients_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t holding() const;
  std::size_t tokens_held() const;

 private:
  struct Token {
    char byte;
    Time taken;  ///< When it was read from make: hand-overs do not change it.
  };
  struct Client {
    State state = State::kIdle;
    std::optional<Token> token;  ///< While holding: nothing means the implicit slot.
  };

  bool someone_needs_a_token() const { return !waiting_.empty() || uncovered_.has_value(); }
  void grant_to_first_waiting(std::optional<Token> slot, Actions& actions);
  void slot_freed(std::optional<Token> slot, Time now, Actions& actions);
  void implicit_slot_freed(Actions& actions);

  std::map<ClientId, Client> clients_;
  std::deque<ClientId> waiting_;
  bool has_implicit_slot_ = true;
  bool implicit_slot_in_use_ = false;
  /// The client that was on the implicit slot when it was lost, until a token covers it or it is
  /// done.
  std::optional<ClientId> uncovered_;
  Time pause_until_ = Time::min();
};

}  // namespace jobslots
