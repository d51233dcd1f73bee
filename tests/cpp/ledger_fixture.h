#pragma once

/// A ledger whose actions are words, for tests of its rules.

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "session/ledger.h"

namespace jobslots::test {

/// An action as a word: "grant 1", "begin 1", "return a", "refuse 1".
inline std::string to_word(const Ledger::Action& action) {
  if (const auto* grant = std::get_if<Ledger::Grant>(&action)) {
    return "grant " + std::to_string(grant->client);
  }
  if (const auto* yield = std::get_if<Ledger::Yield>(&action)) {
    return "yield " + std::to_string(yield->client);
  }
  if (const auto* begin = std::get_if<Ledger::Begin>(&action)) {
    return "begin " + std::to_string(begin->client);
  }
  if (const auto* token = std::get_if<Ledger::ReturnToken>(&action)) {
    return std::string("return ") + token->token;
  }
  return "refuse " + std::to_string(std::get<Ledger::Refuse>(action).client);
}

/// A ledger with clients 1 to 4, in virtual time.
class LedgerTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;

  LedgerTest() {
    for (Ledger::ClientId client = 1; client <= 4; ++client) ledger_.join(client);
  }
  Words join(Ledger::ClientId client) { return words(ledger_.join(client)); }
  Words join_as(Ledger::ClientId client, Ledger::ClientId started) {
    return words(ledger_.join_as(client, started, now_));
  }
  Words start(Ledger::ClientId client) { return words(ledger_.start(client)); }
  Words want(Ledger::ClientId client) { return words(ledger_.want(client, now_)); }
  Words done(Ledger::ClientId client) { return words(ledger_.done(client, now_)); }
  Words gone(Ledger::ClientId client) { return words(ledger_.gone(client, now_)); }
  Words token_read(char token) { return words(ledger_.token_read(token, now_)); }
  /// Begins the first client to be started on the implicit slot, where that is free.
  Words start_on_implicit_slot() { return words(ledger_.settle(9, now_).actions); }
  /// What follows from time alone.
  Words settled() { return words(ledger_.settle(0, now_).actions); }
  Words lend() { return words(ledger_.lend(now_)); }
  Words lend_to(Ledger::ClientId client) { return words(ledger_.lend_to(client, now_)); }
  Words implicit_slot_lost() { return words(ledger_.implicit_slot_lost()); }
  /// Whether a client is begun now where so many tokens lie there.
  bool may_start(std::size_t tokens_free) const {
    if (!wants_to_start()) return false;
    Ledger trial = ledger_;
    const auto settled = trial.settle(tokens_free, now_);
    return !settled.actions.empty() || settled.to_take > 0;
  }
  bool wants_to_start() const { return need().of == Ledger::Need::Of::kSpareTokens; }
  bool wants_token() const { return need().of == Ledger::Need::Of::kAnyToken; }
  bool implicit_slot_free() const {
    constexpr Ledger::ClientId kAnother = 99;
    Ledger trial = ledger_;
    trial.join(kAnother);
    return !trial.want(kAnother, now_).empty();
  }
  Ledger::Need need() const { return ledger_.need(now_); }
  std::optional<Ledger::Time> next_deadline() const { return need().again; }
  void pass(Ledger::Time time) { now_ += time; }
  /// Client 1 works on the implicit slot, client 2 on token a.
  void two_work() {
    want(1);
    want(2);
    EXPECT_THAT(token_read('a'), testing::ElementsAre("grant 2"));
  }

  static Words words(const Ledger::Actions& actions) {
    Words words;
    for (const Ledger::Action& action : actions) words.push_back(to_word(action));
    return words;
  }

  Ledger ledger_;
  Ledger::Time now_ = std::chrono::hours(1);
};

}  // namespace jobslots::test
