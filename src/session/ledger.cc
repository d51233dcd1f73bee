#include "session/ledger.h"

#include <algorithm>
#include <utility>

namespace jobslots {

Ledger::Actions Ledger::join(ClientId client) {
  if (!add(client, State::kIdle)) return {Refuse{client, "joined already"}};
  return {};
}

Ledger::Actions Ledger::join_as(ClientId client, ClientId started, Time now) {
  Actions actions = join(client);
  if (!actions.empty()) return actions;
  if (state_of(started) != State::kStarting) return gone(started, now);
  std::swap(clients_.at(client), clients_.at(started));
  clients_.erase(started);
  --in_state(State::kIdle);
  if (uncovered_ == started) uncovered_ = client;
  return {};
}

Ledger::Actions Ledger::start(ClientId client) {
  if (!add(client, State::kToStart)) return {Refuse{client, "is there already"}};
  to_start_.push_back(client);
  return {};
}

Ledger::Actions Ledger::want(ClientId client, Time now) {
  Actions actions;
  if (state_of(client) == State::kStarting) {
    set_state(clients_.at(client), State::kHolding);
    actions.emplace_back(Grant{client});
    return actions;
  }
  if (state_of(client) != State::kIdle) return {Refuse{client, "asked for a second job slot"}};
  set_state(clients_.at(client), State::kWaiting);
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
      break;
    case State::kUnknown:
      return actions;
  }
  --in_state(state_of(client));
  clients_.erase(client);
  return actions;
}

Ledger::Actions Ledger::token_read(char token, Time now) {
  Actions actions;
  const bool too_soon = last_return_ && now - last_return_->when < kTooSoonForMake;
  const Token taken{token, too_soon ? last_return_->taken : now};
  last_return_.reset();
  if (!to_start_.empty() && !someone_needs_a_token()) {
    begin_first_to_start(taken, actions);
  } else {
    slot_freed(taken, now, actions);
  }
  return actions;
}

Ledger::Actions Ledger::implicit_slot_lost(Time) {
  if (!std::exchange(has_implicit_slot_, false) || !implicit_slot_in_use_) return {};
  for (const auto& [id, client] : clients_) {
    if (has_slot(client) && !has_token(client)) uncovered_ = id;
  }
  return {};
}

Ledger::Need Ledger::need(Time now) const {
  const bool pausing = now < pause_until_;
  const auto again = pausing ? std::optional(pause_until_) : std::nullopt;
  if (someone_needs_a_token()) {
    return {pausing ? Need::Of::kNothing : Need::Of::kAnyToken, again};
  }
  if (!to_start_.empty()) return {Need::Of::kSpareTokens, again};
  return {};
}

Ledger::Settled Ledger::settle(std::size_t tokens_free, Time now) {
  Settled settled;
  if (now < pause_until_) return settled;
  if (someone_needs_a_token()) {
    settled.to_take = std::min(tokens_free, waiting_.size() + (uncovered_ ? 1 : 0));
    return settled;
  }
  const std::size_t free = tokens_free + (implicit_slot_free() ? 1 : 0);
  const std::size_t spare = free - std::min(free, count(State::kIdle));
  std::size_t to_begin = std::min(spare, to_start_.size());
  if (to_begin > 0 && implicit_slot_free()) {
    implicit_slot_in_use_ = true;
    begin_first_to_start(std::nullopt, settled.actions);
    --to_begin;
  }
  settled.to_take = to_begin;
  return settled;
}

Ledger::State Ledger::state_of(ClientId client) const {
  const auto entry = clients_.find(client);
  return entry == clients_.end() ? State::kUnknown : entry->second.state;
}

std::string Ledger::tokens() const {
  std::string bytes;
  for (const auto& [id, client] : clients_) {
    if (has_token(client)) bytes += client.slots.front()->byte;
  }
  return bytes;
}

/// False where there is one of this number.
bool Ledger::add(ClientId client, State state) {
  if (!clients_.try_emplace(client, Client{state, {}}).second) return false;
  ++in_state(state);
  return true;
}

void Ledger::set_state(Client& client, State state) {
  --in_state(client.state);
  ++in_state(state);
  client.state = state;
}

void Ledger::give_slot(ClientId client, State state, Slot slot) {
  Client& entry = clients_.at(client);
  set_state(entry, state);
  entry.slots.push_back(slot);
}

void Ledger::grant_to_first_waiting(Slot slot, Actions& actions) {
  const ClientId client = waiting_.front();
  waiting_.pop_front();
  give_slot(client, State::kHolding, slot);
  actions.emplace_back(Grant{client});
}

void Ledger::begin_first_to_start(Slot slot, Actions& actions) {
  const ClientId client = to_start_.front();
  to_start_.pop_front();
  give_slot(client, State::kStarting, slot);
  actions.emplace_back(Begin{client});
}

void Ledger::give_up_slot(ClientId client, Time now, Actions& actions) {
  Client& entry = clients_.at(client);
  set_state(entry, State::kIdle);
  const Slot slot = entry.slots.front();
  entry.slots.clear();
  slot_freed(slot, now, actions);
}

/// A slot has become free here: by a client that is done, a token just read, or (no token) the
/// implicit slot. Decides who has it next.
void Ledger::slot_freed(Slot slot, Time now, Actions& actions) {
  if (!slot) {
    implicit_slot_freed(now, actions);
    return;
  }
  const bool may_stay = now - slot->taken < kHandOverLimit;
  if (may_stay && uncovered_) {
    clients_.at(*uncovered_).slots.front() = *slot;
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
  const auto token_holder =
      std::ranges::find_if(clients_, [](const auto& entry) { return has_token(entry.second); });
  if (token_holder == clients_.end()) return;
  implicit_slot_in_use_ = true;
  Slot& slot = token_holder->second.slots.front();
  return_token(*slot, now, actions);
  slot.reset();
}

void Ledger::return_token(const Token& token, Time now, Actions& actions) {
  last_return_ = Return{now, token.taken};
  actions.emplace_back(ReturnToken{token.byte});
}

}  // namespace jobslots
