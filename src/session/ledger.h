#pragma once

/// Who holds which job slot, and who waits: the policy of one session that shares make's job slots
/// among its clients.
///
/// The session owns the *implicit slot* from birth and takes *tokens* from make for all further
/// slots. The rules:
///
///  1. The implicit slot goes first. A token is wanted only when it is in use and a client waits.
///
///  2. Clients are served in the order in which they asked.
///
///  3. Every token goes back to make, the same byte, once; at once where nobody here waits for it.
///
///  4. When the implicit slot becomes free while a client holds a token and nobody waits, that
///     client moves onto the implicit slot and its token goes back. The client never notices.
///
///  5. Courtesy: a token passes from client to client for at most kHandOverLimit; then it goes back
///     and none is wanted for kCourtesyPause, so that make, woken by the write, can have it first.
///     Otherwise a session in which somebody always waits would starve its neighbours. A token that
///     is taken within kTooSoonForMake of a return counts as never returned: make cannot have had
///     it in between.
///
///  6. A client that is still to be started may only take a slot that no living client is about to
///     want: only while there are more free slots than idle clients, and nobody waits. A client
///     between two tests holds nothing for a moment; a start-up that takes that slot would keep it
///     waiting for as long as the start-up lasts.
///
/// A pure state machine: events in, actions out. It has no descriptor, no clock and no thread; time
/// is what the caller says it is (any steady clock, never going back). The caller carries the
/// actions out in order.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace jobslots {

class Ledger {
 public:
  using ClientId = std::uint64_t;
  using Time = std::chrono::nanoseconds;  ///< Since any fixed point in the past.

  static constexpr Time kHandOverLimit = std::chrono::milliseconds(100);
  static constexpr Time kCourtesyPause = std::chrono::milliseconds(1);
  static constexpr Time kTooSoonForMake = std::chrono::microseconds(100);

  /// The client has a job slot from now on, until it says done or is gone.
  struct Grant {
    ClientId client;
  };
  /// The client is to be started now: its slot is taken, and it has it when it joins.
  struct Begin {
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
  using Action = std::variant<Grant, Begin, ReturnToken, Refuse>;
  using Actions = std::vector<Action>;

  enum class State {
    kUnknown,
    kToStart,   ///< Not there yet; to be started when there is a slot for it.
    kStarting,  ///< Has a slot, but has not asked for it yet: its first want is granted at once.
    kIdle,
    kWaiting,
    kHolding,
  };

  /// The client is there, without a slot.
  Actions join(ClientId client);
  /// The client is there, as the one that was begun as `started`, and has the slot that this got.
  Actions join_as(ClientId client, ClientId started, Time now);
  /// The client is to be started when there is a slot for it: Begin says so.
  Actions start(ClientId client);
  Actions want(ClientId client, Time now);
  Actions done(ClientId client, Time now);
  /// The client has ended in whatever state it was, or is not to be started any more. Unknown
  /// clients are ignored.
  Actions gone(ClientId client, Time now);
  /// A token was read from make. Tokens that nobody needs any more come straight back as actions.
  /// Where nobody waits it is for the first client to be started: settle() tells beforehand.
  Actions token_read(char token, Time now);
  /// The session's parent no longer accounts for it (the controller died): the implicit slot has
  /// gone back to make. A client that works on it goes on, and the next token is for it.
  Actions implicit_slot_lost(Time now);

  /// Of which use tokens are that lie in make's jobserver.
  struct Need {
    enum class Of {
      kNothing,
      kAnyToken,     ///< A client waits: each token is of use.
      kSpareTokens,  ///< Clients are to be started: tokens are, where there are more than rule 6
                     ///< leaves to others. A change of their number may be of use.
    };
    Of of = Of::kNothing;
    std::optional<Time> again;  ///< When this changes without any event: settle() then.
  };
  Need need(Time now) const;

  struct Settled {
    Actions actions;          ///< Clients that begin on the implicit slot.
    std::size_t to_take = 0;  ///< How many tokens to read from make now, each for token_read().
  };
  /// Uses what is free, where so many tokens lie in make's jobserver. To be asked after each event
  /// and at need().again, as long as tokens can be read that are to be taken.
  Settled settle(std::size_t tokens_free, Time now);

  State state_of(ClientId client) const;
  std::size_t clients() const { return clients_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  /// Clients that have a slot, those that are starting included.
  std::size_t holding() const { return count(State::kHolding) + count(State::kStarting); }
  std::size_t tokens_held() const { return tokens().size(); }
  /// Those that have not been returned: what make misses if the session ends at this moment.
  std::string tokens() const;

 private:
  struct Token {
    char byte;
    Time taken;  ///< When it was read from make: hand-overs do not change it, see rule 5.
  };
  /// A job slot that a client has: nothing means the implicit one.
  using Slot = std::optional<Token>;
  struct Client {
    State state = State::kIdle;
    std::vector<Slot> slots;  ///< Of one, while it has a slot.
  };

  static bool has_slot(const Client& client) { return !client.slots.empty(); }
  static bool has_token(const Client& client) {
    return has_slot(client) && client.slots.front().has_value();
  }
  bool implicit_slot_free() const { return has_implicit_slot_ && !implicit_slot_in_use_; }
  bool someone_needs_a_token() const { return !waiting_.empty() || uncovered_.has_value(); }
  std::size_t& in_state(State state) { return in_state_[static_cast<std::size_t>(state)]; }
  std::size_t count(State state) const { return in_state_[static_cast<std::size_t>(state)]; }
  bool add(ClientId client, State state);
  void set_state(Client& client, State state);
  void give_slot(ClientId client, State state, Slot slot);
  void grant_to_first_waiting(Slot slot, Actions& actions);
  void begin_first_to_start(Slot slot, Actions& actions);
  void give_up_slot(ClientId client, Time now, Actions& actions);
  void slot_freed(Slot slot, Time now, Actions& actions);
  void implicit_slot_freed(Time now, Actions& actions);
  void return_token(const Token& token, Time now, Actions& actions);

  std::map<ClientId, Client> clients_;
  std::array<std::size_t, 6> in_state_{};  ///< How many clients are in each state.
  std::deque<ClientId> waiting_;
  std::deque<ClientId> to_start_;
  bool has_implicit_slot_ = true;
  bool implicit_slot_in_use_ = false;
  /// The client that was on the implicit slot when it was lost, until a token covers it or it is
  /// done.
  std::optional<ClientId> uncovered_;
  Time pause_until_ = Time::min();
  struct Return {
    Time when;
    Time taken;  ///< When the token that was returned had been taken.
  };
  std::optional<Return> last_return_;
};

}  // namespace jobslots
