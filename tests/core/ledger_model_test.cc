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

#include "jobslots/ledger.h"

namespace jobslots {
namespace {

constexpr std::size_t kClients = 6;
constexpr std::size_t kEventsPerSequence = 250;

struct Event {
  enum class Kind { kJoin, kWant, kDone, kGone, kRead, kPass, kLoseImplicitSlot };
  Kind kind;
  unsigned value;  ///< The client; microseconds of kPass; unused otherwise.
};
using Sequence = std::vector<Event>;

constexpr std::array<const char*, 7> kKindNames{
    "join", "want", "done", "gone", "read", "pass", "lose-implicit-slot"};

std::string to_text(const Sequence& events) {
  std::ostringstream text;
  const char* separator = "";
  for (const Event& event : events) {
    text << std::exchange(separator, ", ") << kKindNames.at(static_cast<std::size_t>(event.kind));
    if (event.kind != Event::Kind::kRead && event.kind != Event::Kind::kLoseImplicitSlot) {
      text << ' ' << event.value;
    }
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
    words >> name >> value;
    for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
      if (kKindNames.at(kind) == name) events.push_back({static_cast<Event::Kind>(kind), value});
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

  Model() {
    for (char token = 'a'; token < 'a' + kTokens; ++token) make_.push_back(token);
    for (unsigned client = 0; client < kClients; ++client) {
      apply({Event::Kind::kJoin, client});
    }
  }

  /// An event that mostly makes sense now, and sometimes breaks the protocol.
  Event choose(Random& random) const {
    using Kind = Event::Kind;
    const unsigned client = random.below(kClients);
    const unsigned choice = random.below(1000);
    if (choice < 1) return {Kind::kLoseImplicitSlot, 0};
    if (choice < 15) return {Kind::kRead, 0};  // Late: perhaps nobody needs it any more.
    if (choice < 35) return {Kind::kJoin, client};
    if (choice < 45) return {Kind::kWant, client};
    if (choice < 55) return {Kind::kDone, client};
    if (choice < 85) return {Kind::kGone, client};
    if (choice < 200) return {Kind::kPass, random.below(1200)};
    if (choice < 240) return {Kind::kPass, random.below(60'000)};
    if (choice < 250) return {Kind::kPass, random.below(2) == 0 ? 100'000U : 1000U};
    if (choice < 550 && !make_.empty() && ledger_.wants_token(now_)) return {Kind::kRead, 0};
    switch (clients_[client].state) {
      case Ledger::State::kUnknown:
        return {Kind::kJoin, client};
      case Ledger::State::kIdle:
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
        return join(event.value);
      case Kind::kWant:
        return want(event.value);
      case Kind::kDone:
        return leave(event.value, false);
      case Kind::kGone:
        return leave(event.value, true);
      case Kind::kRead:
        return read();
      case Kind::kPass:
        now_ += std::chrono::microseconds(event.value);
        return check();
      case Kind::kLoseImplicitSlot:
        return lose_implicit_slot();
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
    std::optional<Token> token;  ///< While holding: nothing means the implicit slot.
  };

  Violation join(unsigned id) {
    const bool refused = clients_[id].state != Ledger::State::kUnknown;
    const auto actions = ledger_.join(id);
    if (refused) return refusal(id, actions);
    clients_[id].state = Ledger::State::kIdle;
    return actions.empty() ? check() : "a client that joins changes nothing";
  }

  Violation want(unsigned id) {
    const bool refused = clients_[id].state != Ledger::State::kIdle;
    const auto actions = ledger_.want(id, now_);
    if (refused) return refusal(id, actions);
    clients_[id].state = Ledger::State::kWaiting;
    waiting_.push_back(id);
    const bool free = has_implicit_slot_ && !implicit_slot_in_use_;
    if (!free) return actions.empty() ? check() : "an action though no slot is free";
    if (actions.size() != 1) return "nobody waits while the implicit slot is free";
    implicit_slot_in_use_ = true;
    return granted(actions[0], std::nullopt);
  }

  /// Done or gone.
  Violation leave(unsigned id, bool for_good) {
    Client& client = clients_[id];
    const bool held = client.state == Ledger::State::kHolding;
    const auto actions = for_good ? ledger_.gone(id, now_) : ledger_.done(id, now_);
    if (!held && !for_good) return refusal(id, actions);
    if (client.state == Ledger::State::kWaiting) std::erase(waiting_, id);
    client.state = for_good ? Ledger::State::kUnknown : Ledger::State::kIdle;
    if (!held)
      return actions.empty() ? check() : "the end of a client without a slot frees nothing";
    if (const auto token = std::exchange(client.token, std::nullopt)) {
      return token_freed(*token, actions);
    }
    return implicit_slot_freed(actions);
  }

  Violation read() {
    if (make_.empty()) return nullptr;
    const Token token{make_.front(), now_};
    make_.pop_front();
    return token_freed(token, ledger_.token_read(token.byte, now_));
  }

  Violation lose_implicit_slot() {
    const auto actions = ledger_.implicit_slot_lost(now_);
    if (std::exchange(has_implicit_slot_, false)) {
      for (unsigned id = 0; id < kClients; ++id) {
        const Client& client = clients_[id];
        if (client.state == Ledger::State::kHolding && !client.token) uncovered_ = id;
      }
    }
    return actions.empty() ? check() : "losing the implicit slot interrupts nobody";
  }

  Violation token_freed(const Token& token, const Ledger::Actions& actions) {
    const bool old = now_ - token.read >= Ledger::kHandOverLimit;
    if (old) {
      pause_until_ = now_ + Ledger::kCourtesyPause;
      return returned(token, actions, "a token is handed over after the limit");
    }
    if (uncovered_) {
      if (!actions.empty()) return "the client that lost the implicit slot comes first";
      clients_[*uncovered_].token = token;
      uncovered_.reset();
      return check();
    }
    if (waiting_.empty()) return returned(token, actions, "a token is idle while nobody waits");
    if (actions.size() != 1) return "nobody waits while a token is free here";
    return granted(actions[0], token);
  }

  Violation implicit_slot_freed(const Ledger::Actions& actions) {
    implicit_slot_in_use_ = false;
    uncovered_.reset();
    if (!has_implicit_slot_) return actions.empty() ? check() : "a slot is given that is not ours";
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
      client.token.reset();
      implicit_slot_in_use_ = true;
      make_.push_back(back->token);
      return check();
    }
    return "a byte is returned that is not held";
  }

  Violation returned(const Token& token, const Ledger::Actions& actions, Violation otherwise) {
    if (actions.size() != 1) return otherwise;
    const auto* back = std::get_if<Ledger::ReturnToken>(&actions[0]);
    if (back == nullptr) return otherwise;
    if (back->token != token.byte) return "the byte returned is not the one that was read";
    make_.push_back(token.byte);
    return check();
  }

  Violation granted(const Ledger::Action& action, std::optional<Token> slot) {
    const auto* grant = std::get_if<Ledger::Grant>(&action);
    if (grant == nullptr) return "nobody waits while a slot is free here";
    if (grant->client != waiting_.front()) return "first come, first served";
    waiting_.pop_front();
    clients_[static_cast<std::size_t>(grant->client)] = {Ledger::State::kHolding, slot};
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
    for (unsigned id = 0; id < kClients; ++id) {
      const Client& client = clients_[id];
      if (ledger_.state_of(id) != client.state) return "the state of a client";
      known += client.state != Ledger::State::kUnknown;
      holding += client.state == Ledger::State::kHolding;
      tokens += client.token.has_value();
    }
    if (ledger_.clients() != known) return "the number of clients";
    if (ledger_.waiting() != waiting_.size()) return "the number of clients that wait";
    if (ledger_.holding() != holding) return "the number of clients that hold";
    if (ledger_.tokens_held() != tokens) return "tokens read are held or returned";
    if (tokens + make_.size() != static_cast<std::size_t>(kTokens))
      return "a byte is lost or doubled";
    const std::size_t not_on_tokens = holding - tokens;
    if (not_on_tokens > 1) return "more holders than slots";
    if (has_implicit_slot_) {
      if (holding > 0 && not_on_tokens == 0) return "the implicit slot goes first";
      if (holding == 0 && !waiting_.empty()) return "nobody waits while the implicit slot is free";
    } else if (not_on_tokens != (uncovered_ ? 1U : 0U)) {
      return "a client works on the implicit slot that is lost";
    }
    const bool needed = !waiting_.empty() || uncovered_;
    if (ledger_.wants_token(now_) != (needed && now_ >= pause_until_)) {
      return needed ? "a token is wanted after the courtesy pause, not within it"
                    : "a token is wanted though nobody needs it";
    }
    const bool later = needed && now_ < pause_until_;
    if (ledger_.next_deadline(now_) != (later ? std::optional(pause_until_) : std::nullopt)) {
      return "the deadline is the end of the courtesy pause";
    }
    return nullptr;
  }

  LedgerUnderTest ledger_;
  std::deque<char> make_;  ///< The tokens that can be read.
  std::array<Client, kClients> clients_{};
  std::deque<unsigned> waiting_;
  bool has_implicit_slot_ = true;
  bool implicit_slot_in_use_ = false;
  std::optional<unsigned> uncovered_;
  Ledger::Time now_{0};
  Ledger::Time pause_until_ = Ledger::Time::min();
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
  bool wants_token(Time now) const { return Ledger::wants_token(now + kCourtesyPause / 10); }
};

struct ForgetsTheDead : Ledger {
  Actions gone(ClientId client, Time now) {
    // The slot of a client that dies is forgotten where somebody waits for it.
    if (waiting() > 1 && state_of(client) == State::kHolding) return {};
    return Ledger::gone(client, now);
  }
};

template <class BrokenLedger>
class LedgerModelOfABrokenLedger : public testing::Test {};
using BrokenLedgers = testing::Types<DropsAToken, ReturnsATokenTwice, ReturnsAnotherByte,
                                     KnowsNoCourtesy, PausesTooShort, ForgetsTheDead>;
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
