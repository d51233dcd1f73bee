#pragma once

/// Who holds which job slot, and who waits: the policy of one session that shares make's job slots
/// among its clients.
///
/// The session may own an *implicit slot*, and takes *tokens* from make for all further slots. The
/// rules:
///
///  1. The implicit slot goes first. A token is wanted only when it is in use and a client waits.
///
///  2. Clients are served in the order in which they asked. Those that ask within kAtOnce of each
///     other are served by rank: where all workers are told to begin, the first may have to set up
///     what the others wait for.
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
///  7. A client may keep its slot from one piece of work to the next, until it is asked to yield:
///     where another one waits and it has had the slot for kYieldAfter, and where its token is as
///     old as kHandOverLimit. It is asked once a slot, as many as are waited for, and not before
///     its first done: a start-up has no end at which it could yield.
///
///  8. A slot may be lent beyond all others, as the way out of a deadlock. Who has one, and who was
///     on the implicit slot when that was lost, is *uncovered*: it comes before those who wait, and
///     the next slot that is free is its.
///
///  9. Who gave the tokens may ask for some back: clients that have one are asked to yield, those
///     first that have had theirs for longest, and the next tokens that are free are returned.
///
/// 10. A client may have a grace: it is asked to yield so much later than others. Where a message
///     takes long, so does each hand-over.
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
#include <set>
#include <string>
#include <utility>
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
  static constexpr Time kYieldAfter = std::chrono::milliseconds(10);
  static constexpr Time kAtOnce = std::chrono::milliseconds(20);

  /// The client has a job slot from now on, until it says done or is gone.
  struct Grant {
    ClientId client;
  };
  /// The client is to give its slot back as soon as its work allows: others need it.
  struct Yield {
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
  using Action = std::variant<Grant, Yield, Begin, ReturnToken, Refuse>;
  using Actions = std::vector<Action>;

  enum class State {
    kUnknown,
    kToStart,   ///< Not there yet; to be started when there is a slot for it.
    kStarting,  ///< Has a slot, but has not asked for it yet: its first want is granted at once.
    kIdle,
    kWaiting,
    kHolding,
  };

  /// courtesy: rule 5 holds, as others who want tokens are not seen. A pool sees them, and says
  /// when it needs one.
  explicit Ledger(bool has_implicit_slot = true, bool courtesy = true)
      : has_implicit_slot_(has_implicit_slot), courtesy_(courtesy) {}

  /// The client is there, without a slot. For rank see rule 2: the lower one is served first.
  Actions join(ClientId client, unsigned rank = 0);
  /// The client is there, as the one that was begun as `started`, and has the slot that this got.
  Actions join_as(ClientId client, ClientId started, Time now, unsigned rank = 0);
  /// See rule 10. Before its first done.
  void set_grace(ClientId client, Time grace) { clients_.at(client).grace = grace; }
  /// The client is to be started when there is a slot for it: Begin says so.
  Actions start(ClientId client);
  Actions want(ClientId client, Time now);
  Actions done(ClientId client, Time now);
  /// The client has ended in whatever state it was, or is not to be started any more. Unknown
  /// clients are ignored.
  Actions gone(ClientId client, Time now);
  /// A token was read from make. Tokens that nobody needs any more come straight back as actions.
  /// Where nobody waits it is for the first client to be started: settle() tells beforehand.
  Actions token_read(char byte, Time now);
  /// The implicit slot is the session's from now on.
  Actions implicit_slot_gained(Time now);
  /// It is no more: it is given up, or its giver no longer accounts for the session (the controller
  /// died). A client that works on it goes on, uncovered.
  Actions implicit_slot_lost();
  /// So many tokens are wanted back by who gave them (rule 9).
  Actions ask_back(std::size_t count);
  /// One slot more than there are (rule 8), for who waits first, else for the first to be started.
  Actions lend(Time now);
  /// The same for this client, where it waits.
  Actions lend_to(ClientId client, Time now);

  /// Of which use tokens are that lie in make's jobserver.
  struct Need {
    enum class Of {
      kNothing,
      kAnyToken,     ///< A client waits: each token is of use.
      kSpareTokens,  ///< Clients are to be started: tokens are, where there are more than rule 6
                     ///< leaves to others. A change of their number may be of use.
    };
    Of of = Of::kNothing;
    std::size_t tokens = 0;     ///< How many are of use.
    std::size_t spare = 0;      ///< Of kSpareTokens: they are while more than so many lie there.
    std::optional<Time> again;  ///< When settle() has something to do though nothing happens.
  };
  Need need(Time now) const;

  struct Settled {
    Actions actions;          ///< Who begins on the implicit slot, and who is to yield.
    std::size_t to_take = 0;  ///< How many tokens to read from make now, each for token_read().
  };
  /// Uses what is free, where so many tokens lie in make's jobserver. To be asked after each event
  /// and at need().again, as long as tokens can be read that are to be taken.
  Settled settle(std::size_t tokens_free, Time now);

  State state_of(ClientId client) const;
  std::size_t clients() const { return clients_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t to_start() const { return to_start_.size(); }
  /// Clients that have a slot, those that are starting included.
  std::size_t holding() const { return count(State::kHolding) + count(State::kStarting); }
  /// Whether each client works on a slot that it may keep: none will want one soon.
  bool all_keep() const { return count(State::kHolding) == clients_.size() && asked_ == 0; }
  /// Those that work without a slot (rule 8).
  std::size_t uncovered() const { return uncovered_.size(); }
  bool has_implicit_slot() const { return has_implicit_slot_; }
  bool implicit_slot_free() const { return has_implicit_slot_ && !implicit_slot_in_use_; }
  std::size_t tokens_held() const { return by_token_.size(); }
  /// Those that have not been returned: what make misses if the session ends at this moment.
  std::string tokens() const;

 private:
  struct Token {
    char byte = 0;
    Time taken{};  ///< When it was read from make: hand-overs do not change it, see rule 5.
  };
  /// A job slot that a client has.
  struct Slot {
    enum class Kind { kImplicit, kToken, kLent };
    Kind kind;
    Token token{};  ///< Of kToken.
  };
  struct Client {
    State state = State::kIdle;
    std::vector<Slot> slots{};  ///< Of one, while it has a slot.
    Time since{};               ///< When it got the slot.
    unsigned rank = 0;
    Time grace{};
    bool started_up = false;    ///< It has said done once.
    bool may_be_asked = false;  ///< To yield.
    bool asked = false;         ///< To yield the slot that it has.
  };
  struct Waiter {
    ClientId client;
    unsigned rank;
    Time since;
  };
  /// Clients by the time from which something counts.
  using ByTime = std::set<std::pair<Time, ClientId>>;

  static bool has(const Client& client, Slot::Kind kind) {
    return !client.slots.empty() && client.slots.front().kind == kind;
  }
  std::size_t& in_state(State state) { return in_state_[static_cast<std::size_t>(state)]; }
  std::size_t count(State state) const { return in_state_[static_cast<std::size_t>(state)]; }
  std::size_t needed() const { return waiting_.size() + uncovered_.size(); }
  std::size_t holders_to_ask() const;

  bool add(ClientId client, State state);
  void set_state(Client& client, State state);
  void give_slot(ClientId client, State state, Slot slot, Time now);
  void change_slot(ClientId client, Slot slot);
  void may_ask(ClientId client, bool may);
  void ask_to_yield(ClientId client, Actions& actions);
  void grant_to_first_waiting(Slot slot, Time now, Actions& actions);
  void begin_first_to_start(Slot slot, Time now, Actions& actions);
  void give_up_slot(ClientId client, Time now, Actions& actions);
  void slot_freed(Slot slot, Time now, Actions& actions);
  void implicit_slot_freed(Time now, Actions& actions);
  void return_token(const Token& token, Time now, Actions& actions);

  std::map<ClientId, Client> clients_;
  std::array<std::size_t, 6> in_state_{};  ///< How many clients are in each state.
  std::deque<Waiter> waiting_;
  std::deque<ClientId> to_start_;
  bool has_implicit_slot_;
  bool courtesy_;
  bool implicit_slot_in_use_ = false;
  std::deque<ClientId> uncovered_;  ///< In the order in which they became so.
  ByTime by_token_;                 ///< Who has a token, by when it was taken.
  ByTime to_ask_by_token_;          ///< Those who may be asked to yield; their grace is added.
  ByTime to_ask_by_slot_;           ///< The same, by when they got their slots.
  std::size_t asked_ = 0;           ///< How many have been asked and have not given back yet.
  std::size_t owed_ = 0;            ///< Tokens that are wanted back, and not returned yet.
  Time pause_until_ = Time::min();
  struct Return {
    Time when;
    Time taken;  ///< When the token that was returned had been taken.
  };
  std::optional<Return> last_return_;
};

}  // namespace jobslots
