#include "session/ledger.h"

#include <algorithm>
#include <utility>

namespace jobslots {

Ledger::Actions Ledger::join(ClientId client) {
  if (!clients_.try_emplace(client).second) return {Refuse{client, "joined already"}};
  return {};
}

Ledger::Actions Ledger::join_as(ClientId client, ClientId started, Time now) {
  Actions actions = join(client);
  if (!actions.empty()) return actions;
  if (state_of(started) != State::kStarting) return gone(started, now);
  std::swap(clients_.at(client), clients_.at(started));
  clients_.erase(started);
  if (uncovered_ == started) uncovered_ = client;
  return {};
}

Ledger::Actions Ledger::start(ClientId client) {
  if (!clients_.try_emplace(client, Client{State::kToStart, std::nullopt}).second) {
    return {Refuse{client, "is there already"}};
  }
  to_start_.push_back(client);
  return {};
}

Ledger::Actions Ledger::want(ClientId client, Time now) {
  Actions actions;
  if (state_of(client) == State::kStarting) {
    clients_.at(client).state = State::kHolding;
    actions.emplace_back(Grant{client});
    return actions;
  }
  if (state_of(client) != State::kIdle) return {Refuse{client, "asked for a second job slot"}};
  clients_.at(client).state = State::kWaiting;
  waiting_.push_back(client);
  if (implicit_slot_free()) slot_freed(std::nullopt, now, actions);
  return actions;
}

Ledger::Actions Ledger::done(ClientId client, Time now) {
  if (state_of(client) != State::kHolding) {
    return {Refuse{client, "gave back what it did not hold"}};
  }
  Actions actions;
  give_up_slot(client, now, actions);
  return actions;
}

Ledger::Actions Ledger::gone(ClientId client, Time now) {
  Actions actions;
  switch (state_of(client)) {
    case State::kWaiting:
      std::erase(waiting_, client);
      break;
    case State::kToStart:
      std::erase(to_start_, client);
      break;
    case State::kStarting:
    case State::kHolding:
      give_up_slot(client, now, actions);
      break;
    case State::kIdle:
    case State::kUnknown:
      break;
  }
  clients_.erase(client);
  return actions;
}

Ledger::Actions Ledger::token_read(char token, Time now) {
  Actions actions;
  const bool too_soon = last_return_ && now - last_return_->when < kTooSoonForMake;
  const Token taken{token, too_soon ? last_return_->taken : now};
  last_return_.reset();
  if (wants_to_start()) {
    begin_first_to_start(taken, actions);
  } else {
    slot_freed(taken, now, actions);
  }
  return actions;
}

Ledger::Actions Ledger::start_on_implicit_slot() {
  Actions actions;
  if (implicit_slot_free() && wants_to_start()) {
    implicit_slot_in_use_ = true;
    begin_first_to_start(std::nullopt, actions);
  }
  return actions;
}

Ledger::Actions Ledger::implicit_slot_lost(Time) {
  if (!std::exchange(has_implicit_slot_, false) || !implicit_slot_in_use_) return {};
  for (const auto& [id, client] : clients_) {
    if (has_slot(client) && !client.token) uncovered_ = id;
  }
  return {};
}

bool Ledger::wants_token(Time now) const { return someone_needs_a_token() && now >= pause_until_; }

bool Ledger::may_start(std::size_t tokens_free, Time now) const {
  const std::size_t free = tokens_free + (implicit_slot_free() ? 1 : 0);
  return wants_to_start() && now >= pause_until_ && count(State::kIdle) < free;
}

std::optional<Ledger::Time> Ledger::next_deadline(Time now) const {
  const bool somebody_pauses = someone_needs_a_token() || wants_to_start();
  if (!somebody_pauses || now >= pause_until_) return std::nullopt;
  return pause_until_;
}

Ledger::State Ledger::state_of(ClientId client) const {
  const auto entry = clients_.find(client);
  return entry == clients_.end() ? State::kUnknown : entry->second.state;
}

std::size_t Ledger::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      clients_, [state](const auto& entry) { return entry.second.state == state; }));
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

void Ledger::begin_first_to_start(std::optional<Token> slot, Actions& actions) {
  const ClientId client = to_start_.front();
  to_start_.pop_front();
  clients_.at(client) = Client{State::kStarting, slot};
  actions.emplace_back(Begin{client});
}

void Ledger::give_up_slot(ClientId client, Time now, Actions& actions) {
  Client& entry = clients_.at(client);
  entry.state = State::kIdle;
  slot_freed(std::exchange(entry.token, std::nullopt), now, actions);
}

/// A slot has become free here: by a client that is done, a token just read, or (no token) the
/// implicit slot. Decides who has it next.
void Ledger::slot_freed(std::optional<Token> slot, Time now, Actions& actions) {
  if (!slot) {
    implicit_slot_freed(now, actions);
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
  return_token(*slot, now, actions);
}

void Ledger::implicit_slot_freed(Time now, Actions& actions) {
  implicit_slot_in_use_ = false;
  uncovered_.reset();
  if (!has_implicit_slot_) return;
  if (!waiting_.empty()) {
    implicit_slot_in_use_ = true;
    grant_to_first_waiting(std::nullopt, actions);
    return;
  }
  const auto token_holder = std::ranges::find_if(
      clients_, [](const auto& entry) { return entry.second.token.has_value(); });
  if (token_holder == clients_.end()) return;
  implicit_slot_in_use_ = true;
  return_token(*token_holder->second.token, now, actions);
  token_holder->second.token.reset();
}

void Ledger::return_token(const Token& token, Time now, Actions& actions) {
  last_return_ = Return{now, token.taken};
  actions.emplace_back(ReturnToken{token.byte});
}

}  // namespace jobslots
