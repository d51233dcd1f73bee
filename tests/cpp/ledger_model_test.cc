/// Random event sequences against the Ledger: after every event all of its rules are checked.
///
/// A sequence follows from its seed alone. The one that fails is shrunk and printed. To replay
/// either, set one of these and run jobslots_tests --gtest_filter='LedgerModel.*':
///
///     JOBSLOTS_MODEL_SEED=12345
///     JOBSLOTS_MODEL_EVENTS="want 0, want 1, read, done 1"
///
/// CMakeLists.txt sets how many events there are: fewer with sanitizers, and without optimisation.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "session/ledger.h"

namespace jobslots {
namespace {

constexpr std::size_t kClients = 8;
constexpr unsigned kThereAtFirst = 4;
constexpr std::size_t kEventsPerSequence = 250;

struct Event {
  enum class Kind {
    kJoin,
    kJoinAs,
    kStart,
    kWant,
    kDone,
    kGone,
    kRead,
    kSettle,  ///< What the broker does after each event.
    kNeighbourTakes,
    kNeighbourReturns,
    kPass,
    kLoseImplicitSlot,
    kGainImplicitSlot,
    kLend,
  };
  Kind kind;
  unsigned value = 0;  ///< The client; microseconds of kPass; unused where kKinds says so.
  unsigned other = 0;  ///< Of kJoinAs: the client that was started. Of kJoin: the rank.
};
using Sequence = std::vector<Event>;

struct KindText {
  const char* name;
  int numbers;  ///< How many follow the name.
};
/// By number of the kind.
constexpr std::array<KindText, 14> kKinds{{{"join", 2},
                                           {"join-as", 2},
                                           {"start", 1},
                                           {"want", 1},
                                           {"done", 1},
                                           {"gone", 1},
                                           {"read", 0},
                                           {"settle", 0},
                                           {"neighbour-takes", 0},
                                           {"neighbour-returns", 0},
                                           {"pass", 1},
                                           {"lose-implicit-slot", 0},
                                           {"gain-implicit-slot", 0},
                                           {"lend", 0}}};

std::string to_text(const Sequence& events) {
  std::ostringstream text;
  const char* separator = "";
  for (const Event& event : events) {
    const KindText& kind = kKinds.at(static_cast<std::size_t>(event.kind));
    text << std::exchange(separator, ", ") << kind.name;
    if (kind.numbers > 0) text << ' ' << event.value;
    if (kind.numbers > 1) text << ' ' << event.other;
  }
  return text.str();
}

Sequence to_sequence(const std::string& text) {
  Sequence events;
  std::istringstream input(text);
  for (std::string part; std::getline(input, part, ',');) {
    std::istringstream words(part);
    std::string name;
    unsigned value = 0;
    unsigned other = 0;
    words >> name >> value >> other;
    for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
      if (kKinds.at(kind).name == name) {
        events.push_back({static_cast<Event::Kind>(kind), value, other});
      }
    }
  }
  return events;
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few instructions a number, any seed is good.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  unsigned below(unsigned limit) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<unsigned>(((z ^ (z >> 31)) >> 32) * limit >> 32);
  }

 private:
  std::uint64_t state_;
};

/// A ledger, a make with tokens that are all different, and what an outsider can know of who holds
/// what. apply() says which rule an event broke, or nothing.
template <class LedgerUnderTest>
class Model {
 public:
  using Violation = const char*;
  using Need = Ledger::Need;

  Model() {
    for (char token = 'a'; token < 'a' + kTokens; ++token) make_.push_back(token);
    for (unsigned client = 0; client < kThereAtFirst; ++client) {
      apply({Event::Kind::kJoin, client});
    }
  }

  /// An event that mostly makes sense now, and sometimes breaks the protocol.
  Event choose(Random& random) const {
    using Kind = Event::Kind;
    const unsigned client = random.below(kClients);
    const unsigned choice = random.below(1000);
    if (choice < 1) return {Kind::kLoseImplicitSlot};
    if (choice < 4) return {has_implicit_slot_ ? Kind::kLend : Kind::kGainImplicitSlot};
    if (choice < 15) return {Kind::kRead};  // Late: perhaps nobody needs it any more.
    if (choice < 25) return {Kind::kJoin, client, random.below(3)};
    if (choice < 35) return {Kind::kStart, client};
    if (choice < 45) return {Kind::kJoinAs, client, random.below(kClients)};
    if (choice < 55) return {Kind::kWant, client};
    if (choice < 65) return {Kind::kDone, client};
    if (choice < 100) return {Kind::kGone, client};
    if (choice < 180) return {Kind::kPass, random.below(1200)};
    if (choice < 210) return {Kind::kPass, random.below(60'000)};
    if (choice < 214) return {Kind::kPass, 10'000};
    if (choice < 220) return {Kind::kPass, random.below(2) == 0 ? 100'000U : 1000U};
    if (choice < 250) return {Kind::kNeighbourTakes};
    if (choice < 280) return {Kind::kNeighbourReturns};
    if (choice < 550 && !make_.empty() && ledger_.need(now_).of == Need::Of::kAnyToken) {
      return {Kind::kRead};
    }
    if (choice < 450 && (!to_start_.empty() || needed())) return {Kind::kSettle};
    switch (clients_[client].state) {
      case Ledger::State::kUnknown:
        return choose_for_unknown(client, random);
      case Ledger::State::kToStart:
        return {Kind::kSettle};
      case Ledger::State::kIdle:
      case Ledger::State::kStarting:
        return {Kind::kWant, client};
      case Ledger::State::kHolding:
        return {Kind::kDone, client};
      case Ledger::State::kWaiting:
        break;
    }
    return {Kind::kPass, 10};
  }

  Violation apply(const Event& event) {
    using Kind = Event::Kind;
    switch (event.kind) {
      case Kind::kJoin:
        return join(event.value, event.other);
      case Kind::kJoinAs:
        return join_as(event.value, event.other);
      case Kind::kStart:
        return start(event.value);
      case Kind::kWant:
        return want(event.value);
      case Kind::kDone:
        return done(event.value);
      case Kind::kGone:
        return left(event.value, Ledger::State::kUnknown, ledger_.gone(event.value, now_));
      case Kind::kRead:
        return read();
      case Kind::kSettle:
        return settle();
      case Kind::kNeighbourTakes:
        if (!make_.empty()) move_first(make_, neighbours_);
        return check();
      case Kind::kNeighbourReturns:
        if (!neighbours_.empty()) move_first(neighbours_, make_);
        return check();
      case Kind::kPass:
        now_ += std::chrono::microseconds(event.value);
        return check();
      case Kind::kLoseImplicitSlot:
        return lose_implicit_slot();
      case Kind::kGainImplicitSlot:
        return gain_implicit_slot();
      case Kind::kLend:
        return lend();
    }
    return "no such event";
  }

 private:
  static constexpr char kTokens = 5;

  struct Token {
    char byte;
    Ledger::Time read;
  };
  struct Client {
    Ledger::State state = Ledger::State::kUnknown;
    std::optional<Token> token{};  ///< While holding: nothing means the implicit slot, or none.
    bool lent = false;             ///< While holding: it works without a slot.
    Ledger::Time since{};          ///< While holding or waiting.
    unsigned rank = 0;
    bool started_up = false;
    bool asked = false;

    bool may_be_asked() const { return has_slot(*this) && started_up && !asked && !lent; }
  };

  static bool has_slot(const Client& client) {
    return client.state == Ledger::State::kHolding || client.state == Ledger::State::kStarting;
  }
  static void move_first(std::deque<char>& from, std::deque<char>& to) {
    to.push_back(from.front());
    from.pop_front();
  }

  Event choose_for_unknown(unsigned client, Random& random) const {
    using Kind = Event::Kind;
    for (unsigned other = 0; other < kClients; ++other) {
      if (clients_[other].state == Ledger::State::kStarting && random.below(2) == 0) {
        return {Kind::kJoinAs, client, other};
      }
    }
    if (random.below(3) == 0) return {Kind::kJoin, client, random.below(3)};
    return {Kind::kStart, client};
  }

  bool implicit_slot_free() const { return has_implicit_slot_ && !implicit_slot_in_use_; }
  std::size_t needs() const { return waiting_.size() + uncovered_.size(); }
  bool needed() const { return needs() > 0; }
  /// Rule 6.
  bool may_start(std::size_t tokens_free) const {
    return !to_start_.empty() && !needed() && now_ >= pause_until_ &&
           idle() < tokens_free + (implicit_slot_free() ? 1 : 0);
  }
  std::size_t idle() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        clients_, [](const Client& client) { return client.state == Ledger::State::kIdle; }));
  }

  Violation join(unsigned id, unsigned rank) {
    const bool refused = clients_[id].state != Ledger::State::kUnknown;
    const auto actions = ledger_.join(id, rank);
    if (refused) return refusal(id, actions);
    clients_[id] = {.state = Ledger::State::kIdle, .rank = rank};
    return actions.empty() ? check() : "a client that joins changes nothing";
  }

  Violation join_as(unsigned id, unsigned started) {
    if (id == started) return nullptr;  // Nobody can have been started as one that is not known.
    const bool refused = clients_[id].state != Ledger::State::kUnknown;
    const auto actions = ledger_.join_as(id, started, now_);
    if (refused) return refusal(id, actions);
    if (clients_[started].state != Ledger::State::kStarting) {
      clients_[id] = {.state = Ledger::State::kIdle};
      return left(started, Ledger::State::kUnknown, actions);
    }
    clients_[id] = std::exchange(clients_[started], Client{});
    std::ranges::replace(uncovered_, started, id);
    return actions.empty() ? check() : "a started client joins with the slot that it has";
  }

  Violation start(unsigned id) {
    const bool refused = clients_[id].state != Ledger::State::kUnknown;
    const auto actions = ledger_.start(id);
    if (refused) return refusal(id, actions);
    clients_[id] = {.state = Ledger::State::kToStart};
    to_start_.push_back(id);
    return actions.empty() ? check() : "a client to be started takes no slot by itself";
  }

  Violation want(unsigned id) {
    const Ledger::State state = clients_[id].state;
    const auto actions = ledger_.want(id, now_);
    if (state == Ledger::State::kStarting) {
      const auto* grant =
          actions.size() == 1 ? std::get_if<Ledger::Grant>(&actions.front()) : nullptr;
      if (grant == nullptr || grant->client != id) return "the first want is granted at once";
      clients_[id].state = Ledger::State::kHolding;
      return check();
    }
    if (state != Ledger::State::kIdle) return refusal(id, actions);
    Client& client = clients_[id];
    client.state = Ledger::State::kWaiting;
    client.since = now_;
    // Behind all who have asked before, but for those of a higher rank who have just asked.
    auto place = waiting_.size();
    while (place > 0 && clients_[waiting_[place - 1]].rank > client.rank &&
           now_ - clients_[waiting_[place - 1]].since < Ledger::kAtOnce) {
      --place;
    }
    waiting_.insert(waiting_.begin() + static_cast<std::ptrdiff_t>(place), id);
    if (!implicit_slot_free()) {
      return actions.empty() ? check() : "an action though no slot is free";
    }
    if (actions.size() != 1) return "nobody waits while the implicit slot is free";
    implicit_slot_in_use_ = true;
    return granted(actions[0], std::nullopt);
  }

  Violation done(unsigned id) {
    const bool refused = clients_[id].state != Ledger::State::kHolding;
    const auto actions = ledger_.done(id, now_);
    if (!refused) clients_[id].started_up = true;
    return refused ? refusal(id, actions) : left(id, Ledger::State::kIdle, actions);
  }

  /// The client is done or gone, which led to the actions.
  Violation left(unsigned id, Ledger::State after, const Ledger::Actions& actions) {
    Client& client = clients_[id];
    const bool held = has_slot(client);
    std::erase(waiting_, id);
    std::erase(to_start_, id);
    client.state = after;
    client.asked = false;
    if (!held)
      return actions.empty() ? check() : "the end of a client without a slot frees nothing";
    if (std::exchange(client.lent, false)) {
      std::erase(uncovered_, id);
      return actions.empty() ? check() : "a lent slot is given to nobody";
    }
    if (const auto token = std::exchange(client.token, std::nullopt)) {
      return token_freed(*token, actions);
    }
    return implicit_slot_freed(actions);
  }

  Violation read() {
    // For a client to be started only where one may be started: that is begin_starts().
    if (make_.empty() || (!to_start_.empty() && !needed())) return nullptr;
    const Token token = take();
    return token_freed(token, ledger_.token_read(token.byte, now_));
  }

  /// The next token that can be read. Where make cannot have had one in between, it is as old as
  /// the one that was returned last (rule 5).
  Token take() {
    const bool too_soon =
        last_return_ && now_ - last_return_->when < LedgerUnderTest::kTooSoonForMake;
    const Token token{make_.front(), too_soon ? last_return_->read : now_};
    last_return_.reset();
    make_.pop_front();
    return token;
  }

  /// Make has the token back.
  void give_back(const Token& token) {
    make_.push_back(token.byte);
    last_return_ = Return{now_, token.read};
  }

  /// As the broker does it: reads the tokens that the ledger asks for, until it asks for none.
  Violation settle() {
    for (;;) {
      const Plan plan = plan_for(make_.size());
      const auto settled = ledger_.settle(make_.size(), now_);
      if (const Violation violation = differs(plan, settled)) return violation;
      if (plan.begins_on_implicit_slot) {
        implicit_slot_in_use_ = true;
        begun(std::nullopt);
      }
      for (const unsigned id : plan.yields) clients_[id].asked = true;
      if (const Violation violation = check()) return violation;
      if (settled.to_take == 0) break;
      for (std::size_t i = 0; i < settled.to_take; ++i) {
        if (const Violation violation = needed() ? read() : begin_on_token()) return violation;
      }
    }
    if (now_ < pause_until_) return nullptr;
    if (needed() && !make_.empty()) return "a token is left though a client needs it";
    return may_start(make_.size()) ? "a start is pending though it may begin" : nullptr;
  }

  Violation begin_on_token() {
    const Token token = take();
    const auto actions = ledger_.token_read(token.byte, now_);
    const auto* begin =
        actions.size() == 1 ? std::get_if<Ledger::Begin>(&actions.front()) : nullptr;
    if (begin == nullptr) return "nobody is started though one may be";
    if (begin->client != to_start_.front()) return "starts begin in their order";
    begun(token);
    return check();
  }

  void begun(std::optional<Token> slot) {
    Client& client = clients_[to_start_.front()];
    client.state = Ledger::State::kStarting;
    client.token = slot;
    client.since = now_;
    to_start_.pop_front();
  }

  /// What is to be done by the rules where so many tokens lie there.
  struct Plan {
    bool begins_on_implicit_slot = false;
    std::size_t to_take = 0;
    std::vector<unsigned> yields{};
  };
  Plan plan_for(std::size_t tokens_free) const {
    Plan plan;
    plan.yields = yields();
    if (now_ < pause_until_) return plan;
    if (needed()) {
      plan.to_take = std::min(tokens_free, needs());
    } else if (may_start(tokens_free)) {
      const auto spare = tokens_free + (implicit_slot_free() ? 1 : 0) - idle();
      plan.begins_on_implicit_slot = implicit_slot_free();
      plan.to_take = std::min(spare, to_start_.size()) - (implicit_slot_free() ? 1 : 0);
    }
    return plan;
  }

  std::size_t asked() const {
    return static_cast<std::size_t>(std::ranges::count_if(clients_, &Client::asked));
  }

  /// Who is to be asked to yield at this moment (rule 7).
  std::vector<unsigned> yields() const {
    std::vector<unsigned> ids;
    std::vector<unsigned> others;
    for (unsigned id = 0; id < kClients; ++id) {
      const Client& client = clients_[id];
      if (!client.may_be_asked()) continue;
      const bool old = client.token && now_ - client.token->read >= Ledger::kHandOverLimit;
      if (old || now_ - client.since >= Ledger::kYieldAfter) (old ? ids : others).push_back(id);
    }
    std::ranges::stable_sort(others, {}, [this](unsigned id) { return clients_[id].since; });
    for (const unsigned id : others) {
      if (asked() + ids.size() < waiting_.size()) ids.push_back(id);
    }
    std::ranges::sort(ids);
    return ids;
  }

  /// When somebody is to be asked next, as things are.
  std::optional<Ledger::Time> next_yield() const {
    std::optional<Ledger::Time> next;
    for (const Client& client : clients_) {
      if (!client.may_be_asked()) continue;
      const auto at = [&next](Ledger::Time time) { next = std::min(next.value_or(time), time); };
      if (client.token) at(client.token->read + Ledger::kHandOverLimit);
      if (asked() < waiting_.size()) at(client.since + Ledger::kYieldAfter);
    }
    return next;
  }

  Violation differs(const Plan& plan, Ledger::Settled settled) const {
    std::vector<unsigned> yielding;
    std::erase_if(settled.actions, [&yielding](const Ledger::Action& action) {
      const auto* yield = std::get_if<Ledger::Yield>(&action);
      if (yield != nullptr) yielding.push_back(static_cast<unsigned>(yield->client));
      return yield != nullptr;
    });
    std::ranges::sort(yielding);
    if (yielding != plan.yields) return "who is to yield";
    if (settled.actions.size() > (plan.begins_on_implicit_slot ? 1U : 0U) ||
        settled.to_take > plan.to_take) {
      return needed() ? "a token is taken that nobody needs"
                      : "a start within the courtesy pause, or on a slot that an idle client may "
                        "want";
    }
    if (settled.to_take < plan.to_take) {
      return needed() ? "a token is left though a client needs it"
                      : "a start is kept from a slot that nobody needs";
    }
    if (!plan.begins_on_implicit_slot) return nullptr;
    if (settled.actions.empty()) return "a start is kept from a slot that nobody needs";
    const auto* begin = std::get_if<Ledger::Begin>(&settled.actions.front());
    if (begin == nullptr) return "nobody is started though one may be";
    return begin->client == to_start_.front() ? nullptr : "starts begin in their order";
  }

  Violation lose_implicit_slot() {
    const auto actions = ledger_.implicit_slot_lost();
    if (std::exchange(has_implicit_slot_, false) && std::exchange(implicit_slot_in_use_, false)) {
      for (unsigned id = 0; id < kClients; ++id) {
        Client& client = clients_[id];
        if (!has_slot(client) || client.token || client.lent) continue;
        client.lent = true;
        uncovered_.push_back(id);
      }
    }
    return actions.empty() ? check() : "losing the implicit slot interrupts nobody";
  }

  Violation gain_implicit_slot() {
    const auto actions = ledger_.implicit_slot_gained(now_);
    if (std::exchange(has_implicit_slot_, true)) {
      return actions.empty() ? check() : "who has the implicit slot gains nothing";
    }
    return implicit_slot_freed(actions);
  }

  Violation lend() {
    const auto actions = ledger_.lend(now_);
    if (waiting_.empty() && to_start_.empty()) {
      return actions.empty() ? check() : "a slot is lent to nobody";
    }
    if (actions.size() != 1) return "a slot is lent to one client";
    if (!waiting_.empty()) {
      const unsigned id = waiting_.front();
      clients_[id].lent = true;
      uncovered_.push_back(id);
      return granted(actions[0], std::nullopt);
    }
    const auto* begin = std::get_if<Ledger::Begin>(&actions[0]);
    if (begin == nullptr || begin->client != to_start_.front())
      return "starts begin in their order";
    if (implicit_slot_free()) {
      implicit_slot_in_use_ = true;
    } else {
      clients_[to_start_.front()].lent = true;
      uncovered_.push_back(to_start_.front());
    }
    begun(std::nullopt);
    return check();
  }

  /// The slot is for the client that works without one for longest.
  void cover(std::optional<Token> slot) {
    Client& client = clients_[uncovered_.front()];
    client.token = slot;
    client.lent = false;
    uncovered_.pop_front();
  }

  Violation token_freed(const Token& token, const Ledger::Actions& actions) {
    const bool old = now_ - token.read >= Ledger::kHandOverLimit;
    if (old) {
      pause_until_ = now_ + Ledger::kCourtesyPause;
      return returned(token, actions, "a token is handed over after the limit");
    }
    if (!uncovered_.empty()) {
      if (!actions.empty()) return "who works without a slot comes first";
      cover(token);
      return check();
    }
    if (waiting_.empty()) return returned(token, actions, "a token is idle while nobody waits");
    if (actions.size() != 1) return "nobody waits while a token is free here";
    return granted(actions[0], token);
  }

  Violation implicit_slot_freed(const Ledger::Actions& actions) {
    implicit_slot_in_use_ = false;
    if (!uncovered_.empty()) {
      if (!actions.empty()) return "who works without a slot comes first";
      implicit_slot_in_use_ = true;
      cover(std::nullopt);
      return check();
    }
    if (!waiting_.empty()) {
      if (actions.size() != 1) return "nobody waits while the implicit slot is free";
      implicit_slot_in_use_ = true;
      return granted(actions[0], std::nullopt);
    }
    if (actions.empty()) return check();
    // Whose token comes back is the ledger's choice: that client has moved onto the implicit slot.
    const auto* back = std::get_if<Ledger::ReturnToken>(&actions[0]);
    if (back == nullptr || actions.size() != 1) return "one client moves onto the implicit slot";
    for (Client& client : clients_) {
      if (!client.token || client.token->byte != back->token) continue;
      give_back(*std::exchange(client.token, std::nullopt));
      implicit_slot_in_use_ = true;
      return check();
    }
    return "a byte is returned that is not held";
  }

  Violation returned(const Token& token, const Ledger::Actions& actions, Violation otherwise) {
    if (actions.size() != 1) return otherwise;
    const auto* back = std::get_if<Ledger::ReturnToken>(&actions[0]);
    if (back == nullptr) return otherwise;
    if (back->token != token.byte) return "the byte returned is not the one that was read";
    give_back(token);
    return check();
  }

  Violation granted(const Ledger::Action& action, std::optional<Token> slot) {
    const auto* grant = std::get_if<Ledger::Grant>(&action);
    if (grant == nullptr) return "nobody waits while a slot is free here";
    if (grant->client != waiting_.front()) return "first come, first served";
    waiting_.pop_front();
    Client& client = clients_[static_cast<std::size_t>(grant->client)];
    client.state = Ledger::State::kHolding;
    client.token = slot;
    client.since = now_;
    return check();
  }

  Violation refusal(unsigned id, const Ledger::Actions& actions) {
    if (actions.size() != 1) return "what breaks the protocol is refused";
    const auto* refuse = std::get_if<Ledger::Refuse>(&actions[0]);
    if (refuse == nullptr || refuse->client != id) return "what breaks the protocol is refused";
    return check();
  }

  /// What holds at every moment, whatever the last event was.
  Violation check() const {
    std::size_t known = 0;
    std::size_t holding = 0;
    std::size_t tokens = 0;
    std::size_t lent = 0;
    for (unsigned id = 0; id < kClients; ++id) {
      const Client& client = clients_[id];
      if (ledger_.state_of(id) != client.state) return "the state of a client";
      known += client.state != Ledger::State::kUnknown;
      holding += has_slot(client);
      tokens += client.token.has_value();
      lent += client.lent;
    }
    if (ledger_.clients() != known) return "the number of clients";
    if (ledger_.waiting() != waiting_.size()) return "the number of clients that wait";
    if (ledger_.holding() != holding) return "the number of clients that hold";
    if (ledger_.tokens_held() != tokens) return "tokens read are held or returned";
    if (tokens + make_.size() + neighbours_.size() != static_cast<std::size_t>(kTokens))
      return "a byte is lost or doubled";
    if (ledger_.uncovered() != lent || uncovered_.size() != lent) return "who has no slot is known";
    const std::size_t on_implicit_slot = holding - tokens - lent;
    if (on_implicit_slot > 1) return "more holders than slots";
    if (has_implicit_slot_) {
      if (tokens > 0 && on_implicit_slot == 0) return "the implicit slot goes first";
      if (holding == 0 && !waiting_.empty()) return "nobody waits while the implicit slot is free";
      if (on_implicit_slot != (implicit_slot_in_use_ ? 1U : 0U)) return "the implicit slot is used";
    } else if (on_implicit_slot != 0) {
      return "a client works on the implicit slot that is lost";
    }
    const Need need = ledger_.need(now_);
    const bool pausing = now_ < pause_until_;
    if ((need.of == Need::Of::kAnyToken) != (needed() && !pausing)) {
      return needed() ? "a token is wanted after the courtesy pause, not within it"
                      : "a token is wanted though nobody needs it";
    }
    if ((need.of == Need::Of::kSpareTokens) != (!to_start_.empty() && !needed())) {
      return "starts come after those who wait";
    }
    auto again = next_yield();
    if ((needed() || !to_start_.empty()) && pausing) {
      again = std::min(again.value_or(pause_until_), pause_until_);
    }
    if (need.again != again) {
      return "the deadline is the end of the courtesy pause, or when somebody is to yield";
    }
    for (std::size_t tokens_free = 0; tokens_free <= make_.size(); ++tokens_free) {
      LedgerUnderTest trial = ledger_;
      const auto settled = trial.settle(tokens_free, now_);
      if (const Violation violation = differs(plan_for(tokens_free), settled)) return violation;
      if (need.of == Need::Of::kNothing) break;
    }
    return nullptr;
  }

  LedgerUnderTest ledger_;
  std::deque<char> make_;        ///< The tokens that can be read.
  std::deque<char> neighbours_;  ///< Those that other clients of make hold.
  std::array<Client, kClients> clients_{};
  std::deque<unsigned> waiting_;
  std::deque<unsigned> to_start_;
  bool has_implicit_slot_ = true;
  bool implicit_slot_in_use_ = false;
  std::deque<unsigned> uncovered_;
  Ledger::Time now_{0};
  Ledger::Time pause_until_ = Ledger::Time::min();
  struct Return {
    Ledger::Time when;
    Ledger::Time read;
  };
  std::optional<Return> last_return_;
};

struct Failure {
  std::string rule;
  Sequence events;  ///< The last one breaks the rule.
};

template <class LedgerUnderTest>
std::optional<Failure> replay(const Sequence& events) {
  Model<LedgerUnderTest> model;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (const char* rule = model.apply(events[i])) {
      return Failure{rule, Sequence(events.begin(), events.begin() + static_cast<int>(i) + 1)};
    }
  }
  return std::nullopt;
}

template <class LedgerUnderTest>
std::optional<Failure> run(std::uint64_t seed) {
  Model<LedgerUnderTest> model;
  Random random(seed);
  Sequence events;
  events.reserve(kEventsPerSequence);
  for (std::size_t i = 0; i < kEventsPerSequence; ++i) {
    events.push_back(model.choose(random));
    if (const char* rule = model.apply(events.back())) return Failure{rule, std::move(events)};
  }
  return std::nullopt;
}

/// Delta debugging (Zeller, Hildebrandt 2002), reduced to what is needed: leave out ever smaller
/// chunks as long as some rule is still broken, until no single event can be left out.
template <class LedgerUnderTest>
Failure shrink(Failure failure) {
  for (std::size_t chunk = failure.events.size() / 2; chunk > 0;) {
    bool smaller = false;
    for (std::size_t begin = 0; begin < failure.events.size();) {
      Sequence fewer = failure.events;
      const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(begin);
      fewer.erase(first, first + static_cast<std::ptrdiff_t>(
                                     std::min(chunk, failure.events.size() - begin)));
      if (auto still = replay<LedgerUnderTest>(fewer)) {
        failure = std::move(*still);
        smaller = true;
      } else {
        begin += chunk;
      }
    }
    if (!smaller || chunk > 1) chunk /= 2;
  }
  return failure;
}

std::string report(const Failure& failure, std::uint64_t seed) {
  return "broken: " + failure.rule + "\nJOBSLOTS_MODEL_SEED=" + std::to_string(seed) +
         "\nJOBSLOTS_MODEL_EVENTS=\"" + to_text(failure.events) + "\"";
}

TEST(LedgerModel, EveryRuleHoldsAfterEveryEvent) {
  if (const char* text = std::getenv("JOBSLOTS_MODEL_EVENTS")) {
    const auto failure = replay<Ledger>(to_sequence(text));
    ASSERT_FALSE(failure) << report(*failure, 0);
    return;
  }
  std::uint64_t first = 1;
  std::uint64_t last = JOBSLOTS_MODEL_EVENT_COUNT / kEventsPerSequence;
  if (const char* seed = std::getenv("JOBSLOTS_MODEL_SEED")) {
    first = last = std::strtoull(seed, nullptr, 10);
  }
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    if (const auto failure = run<Ledger>(seed)) {
      FAIL() << report(shrink<Ledger>(*failure), seed);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto events = static_cast<double>((last - first + 1) * kEventsPerSequence);
  std::cout << events / 1e6 << " million events, " << events / 1e6 / took.count()
            << " million per second\n";
}

// Ledgers that each break one rule: what the check must find.

/// Returns every third token only to the bin.
struct DropsAToken : Ledger {
  Actions done(ClientId client, Time now) {
    Actions actions = Ledger::done(client, now);
    if (!actions.empty() && std::holds_alternative<ReturnToken>(actions[0]) &&
        ++returned % 3 == 0) {
      actions.clear();
    }
    return actions;
  }
  int returned = 0;
};

struct ReturnsATokenTwice : Ledger {
  Actions gone(ClientId client, Time now) {
    Actions actions = Ledger::gone(client, now);
    if (!actions.empty() && std::holds_alternative<ReturnToken>(actions[0])) {
      actions.push_back(actions[0]);
    }
    return actions;
  }
};

struct ReturnsAnotherByte : Ledger {
  Actions done(ClientId client, Time now) {
    Actions actions = Ledger::done(client, now);
    for (Action& action : actions) {
      if (auto* token = std::get_if<ReturnToken>(&action)) token->token = '+';
    }
    return actions;
  }
};

struct KnowsNoCourtesy : Ledger {
  Actions token_read(char token, Time) { return Ledger::token_read(token, Time(0)); }
  Actions done(ClientId client, Time) { return Ledger::done(client, Time(0)); }
};

struct PausesTooShort : Ledger {
  Need need(Time now) const { return Ledger::need(now + kCourtesyPause / 10); }
};

struct ForgetsTheDead : Ledger {
  Actions gone(ClientId client, Time now) {
    // The slot of a client that dies is forgotten where somebody waits for it.
    if (waiting() > 1 && state_of(client) == State::kHolding) return {};
    return Ledger::gone(client, now);
  }
};

/// Counts a token more than there are.
struct StartsThoughAnIdleClientNeedsTheSlot : Ledger {
  Settled settle(std::size_t tokens_free, Time now) {
    return Ledger::settle(need(now).of == Need::Of::kSpareTokens ? tokens_free + 1 : tokens_free,
                          now);
  }
};

struct StartsInTheCourtesyPause : Ledger {
  Settled settle(std::size_t tokens_free, Time now) {
    return Ledger::settle(tokens_free, now + kCourtesyPause);
  }
};

/// Gives the slot of a started client to others when it joins.
struct JoinsWithoutTheSlot : Ledger {
  Actions join_as(ClientId client, ClientId started, Time now) {
    Actions actions = join(client);
    return actions.empty() ? gone(started, now) : actions;
  }
};

/// Asks those to yield who have just got their slot.
struct AsksTooEarly : Ledger {
  Settled settle(std::size_t tokens_free, Time now) {
    return Ledger::settle(tokens_free, now + kYieldAfter / 2);
  }
};

/// Lends more than one slot.
struct LendsTwice : Ledger {
  Actions lend(Time now) {
    Actions actions = Ledger::lend(now);
    const Actions more = Ledger::lend(now);
    actions.insert(actions.end(), more.begin(), more.end());
    return actions;
  }
};

/// Takes a start back by its name only: the ledger still begins it.
struct ForgetsToCancel : Ledger {
  Actions gone(ClientId client, Time now) {
    if (state_of(client) == State::kToStart) return {};
    return Ledger::gone(client, now);
  }
};

template <class BrokenLedger>
class LedgerModelOfABrokenLedger : public testing::Test {};
using BrokenLedgers =
    testing::Types<DropsAToken, ReturnsATokenTwice, ReturnsAnotherByte, KnowsNoCourtesy,
                   PausesTooShort, ForgetsTheDead, StartsThoughAnIdleClientNeedsTheSlot,
                   StartsInTheCourtesyPause, JoinsWithoutTheSlot, ForgetsToCancel, AsksTooEarly,
                   LendsTwice>;
TYPED_TEST_SUITE(LedgerModelOfABrokenLedger, BrokenLedgers);

TYPED_TEST(LedgerModelOfABrokenLedger, IsFoundAndShrunkToAHandfulOfEvents) {
  std::optional<Failure> found;
  std::uint64_t seed = 0;
  while (!found && seed < 1000) found = run<TypeParam>(++seed);
  ASSERT_TRUE(found);
  const Failure shrunk = shrink<TypeParam>(*found);
  EXPECT_LE(shrunk.events.size(), 14U) << report(shrunk, seed);
  for (std::size_t i = 0; i < shrunk.events.size(); ++i) {
    Sequence fewer = shrunk.events;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(replay<TypeParam>(fewer)) << "event " << i << " of " << to_text(shrunk.events);
  }
  const auto again = replay<TypeParam>(to_sequence(to_text(shrunk.events)));
  ASSERT_TRUE(again) << "the printed text does not fail: " << to_text(shrunk.events);
  EXPECT_EQ(again->rule, shrunk.rule);
  EXPECT_FALSE(replay<Ledger>(shrunk.events)) << "the real ledger does not fail";
  std::cout << report(shrunk, seed) << '\n';
}

}  // namespace
}  // namespace jobslots
