#include "jobslots/ledger.h"

#include <algorithm>
#include <utility>

namespace jobslots {

Ledger::Actions Ledger::join(ClientId client) {
  if (!clients_.try_emplace(client).second) return {Refuse{client, "joined already"}};
  return {};
}

Ledger::Actions Ledger::want(ClientId client, Time now) {
  if (state_of(client) != State::kIdle) return {Refuse{client, "asked for a second job slot"}};
  Actions actions;
  clients_.at(client).state = State::kWaiting;
  waiting_.push_back(client);
  if (has_implicit_slot_ && !implicit_slot_in_use_) slot_freed(std::nullopt, now, actions);
  return actions;
}

Ledger::Actions Ledger::done(ClientId client, Time now) {
  if (state_of(client) != State::kHolding)
    return {Refuse{client, "gave back what it did not hold"}};
  Actions actions;
  Client& entry = clients_.at(client);
  entry.state = State::kIdle;
  slot_freed(std::exchange(entry.token, std::nullopt), now, actions);
  return actions;
}

Ledger::Actions Ledger::gone(ClientId client, Time now) {
  Actions actions;
  if (state_of(client) == State::kWaiting) std::erase(waiting_, client);
  if (state_of(client) == State::kHolding) actions = done(client, now);
  clients_.erase(client);
  return actions;
}

Ledger::Actions Ledger::token_read(char token, Time now) {
  Actions actions;
  slot_freed(Token{token, now}, now, actions);
  return actions;
}

Ledger::Actions Ledger::implicit_slot_lost(Time) {
  if (!std::exchange(has_implicit_slot_, false) || !implicit_slot_in_use_) return {};
  for (const auto& [id, client] : clients_) {
    if (client.state == State::kHolding && !client.token) uncovered_ = id;
  }
  return {};
}

bool Ledger::wants_token(Time now) const { return someone_needs_a_token() && now >= pause_until_; }

std::optional<Ledger::Time> Ledger::next_deadline(Time now) const {
  if (!someone_needs_a_token() || now >= pause_until_) return std::nullopt;
  return pause_until_;
}

Ledger::State Ledger::state_of(ClientId client) const {
  const auto entry = clients_.find(client);
  return entry == clients_.end() ? State::kUnknown : entry->second.state;
}

std::size_t Ledger::holding() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      clients_, [](const auto& entry) { return entry.second.state == State::kHolding; }));
}

std::size_t Ledger::tokens_held() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      clients_, [](const auto& entry) { return entry.second.token.has_value(); }));
}

void Ledger::grant_to_first_waiting(std::optional<Token> slot, Actions& actions) {
  const ClientId client = waiting_.front();
  waiting_.pop_front();
  clients_.at(client) = Client{State::kHolding, slot};
  actions.emplace_back(Grant{client});
}

/// A slot has become free here: by a client that is done, a token just read, or (no token) the
/// implicit slot. Decides who has it next.
void Ledger::slot_freed(std::optional<Token> slot, Time now, Actions& actions) {
  if (!slot) {
    implicit_slot_freed(actions);
    return;
  }
  const bool may_stay = now - slot->taken < kHandOverLimit;
  if (may_stay && uncovered_) {
    clients_.at(*uncovered_).token = *slot;
    uncovered_.reset();
    return;
  }
  if (may_stay && !waiting_.empty()) {
    grant_to_first_waiting(slot, actions);
    return;
  }
  if (!may_stay) pause_until_ = now + kCourtesyPause;
  actions.emplace_back(ReturnToken{slot->byte});
}

void Ledger::implicit_slot_freed(Actions& actions) {
  implicit_slot_in_use_ = false;
  uncovered_.reset();
  if (!has_implicit_slot_) return;
  implicit_slot_in_use_ = true;
  if (!waiting_.empty()) {
    grant_to_first_waiting(std::nullopt, actions);
    return;
  }
  const auto holder = std::ranges::find_if(
      clients_, [](const auto& entry) { return entry.second.token.has_value(); });
  if (holder == clients_.end()) {
    implicit_slot_in_use_ = false;
    return;
  }
  actions.emplace_back(ReturnToken{holder->second.token->byte});
  holder->second.token.reset();
}

}  // namespace jobslots
