#include "session/ledger.h"

#include <algorithm>
#include <utility>

namespace jobslots {

Ledger::Actions Ledger::join(ClientId client, unsigned rank) {
  if (!add(client, State::kIdle)) return {Refuse{client, "joined already"}};
  clients_.at(client).rank = rank;
  return {};
}

Ledger::Actions Ledger::join_as(ClientId client, ClientId started, Time now, unsigned rank) {
  if (state_of(started) != State::kStarting || state_of(client) != State::kUnknown) {
    Actions actions = join(client, rank);
    return actions.empty() ? gone(started, now) : actions;
  }
  auto entry = clients_.extract(started);
  entry.key() = client;
  entry.mapped().rank = rank;
  if (const Slot& slot = entry.mapped().slots.front(); slot.kind == Slot::Kind::kToken) {
    by_token_.erase({slot.token.taken, started});
    by_token_.emplace(slot.token.taken, client);
  }
  clients_.insert(std::move(entry));
  std::ranges::replace(uncovered_, started, client);
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
  Client& entry = clients_.at(client);
  set_state(entry, State::kWaiting);
  auto place = waiting_.end();
  while (place != waiting_.begin() && std::prev(place)->rank > entry.rank &&
         now - std::prev(place)->since < kAtOnce) {
    --place;
  }
  waiting_.insert(place, Waiter{client, entry.rank, now});
  if (implicit_slot_free()) implicit_slot_freed(now, actions);
  return actions;
}

Ledger::Actions Ledger::done(ClientId client, Time now) {
  if (state_of(client) != State::kHolding) {
    return {Refuse{client, "gave back what it did not hold"}};
  }
  Actions actions;
  clients_.at(client).started_up = true;
  give_up_slot(client, now, actions);
  return actions;
}

Ledger::Actions Ledger::gone(ClientId client, Time now) {
  Actions actions;
  switch (state_of(client)) {
    case State::kWaiting:
      std::erase_if(waiting_, [client](const Waiter& waiter) { return waiter.client == client; });
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

Ledger::Actions Ledger::token_read(char byte, Time now) {
  Actions actions;
  const bool too_soon = last_return_ && now - last_return_->when < kTooSoonForMake;
  const Slot slot{Slot::Kind::kToken, {byte, too_soon ? last_return_->taken : now}};
  last_return_.reset();
  if (!to_start_.empty() && needed() == 0) {
    begin_first_to_start(slot, now, actions);
  } else {
    slot_freed(slot, now, actions);
  }
  return actions;
}

Ledger::Actions Ledger::implicit_slot_gained(Time now) {
  Actions actions;
  if (!std::exchange(has_implicit_slot_, true)) implicit_slot_freed(now, actions);
  return actions;
}

Ledger::Actions Ledger::implicit_slot_lost() {
  if (!std::exchange(has_implicit_slot_, false)) return {};
  if (!std::exchange(implicit_slot_in_use_, false)) return {};
  for (const auto& [id, client] : clients_) {
    if (!has(client, Slot::Kind::kImplicit)) continue;
    change_slot(id, {Slot::Kind::kLent});
    uncovered_.push_back(id);
    break;
  }
  return {};
}

Ledger::Actions Ledger::ask_back(std::size_t count) {
  Actions actions;
  owed_ = std::min(owed_ + count, by_token_.size());
  const auto has_token = [this](const std::pair<Time, ClientId>& holder) {
    return has(clients_.at(holder.second), Slot::Kind::kToken);
  };
  for (; count > 0; --count) {
    const auto holder = std::ranges::find_if(to_ask_by_slot_, has_token);
    if (holder == to_ask_by_slot_.end()) break;
    ask_to_yield(holder->second, actions);
  }
  return actions;
}

Ledger::Actions Ledger::lend(Time now) {
  Actions actions;
  const Slot slot{Slot::Kind::kLent};
  if (!waiting_.empty()) {
    grant_to_first_waiting(slot, now, actions);
  } else if (!to_start_.empty() && implicit_slot_free()) {
    implicit_slot_in_use_ = true;  // Kept for others so far, by rule 6.
    begin_first_to_start({Slot::Kind::kImplicit}, now, actions);
  } else if (!to_start_.empty()) {
    begin_first_to_start(slot, now, actions);
  }
  return actions;
}

Ledger::Actions Ledger::lend_to(ClientId client, Time now) {
  const auto waiter = std::ranges::find(waiting_, client, &Waiter::client);
  if (waiter == waiting_.end()) return {};
  std::rotate(waiting_.begin(), waiter, std::next(waiter));
  return lend(now);
}

Ledger::Need Ledger::need(Time now) const {
  const bool pausing = now < pause_until_;
  Need need;
  if (needed() > 0) {
    need.of = pausing ? Need::Of::kNothing : Need::Of::kAnyToken;
    need.tokens = pausing ? 0 : needed();
  } else if (!to_start_.empty()) {
    const std::size_t implicit = implicit_slot_free() ? 1 : 0;
    const std::size_t idle = count(State::kIdle);
    need.of = Need::Of::kSpareTokens;
    need.tokens = to_start_.size() - (implicit > idle ? 1 : 0);
    need.spare = idle - std::min(idle, implicit);
  }
  const auto again_at = [&need](Time time) {
    need.again = std::min(need.again.value_or(time), time);
  };
  if (pausing && (needed() > 0 || !to_start_.empty())) again_at(pause_until_);
  if (!to_ask_by_token_.empty()) again_at(to_ask_by_token_.begin()->first + kHandOverLimit);
  if (holders_to_ask() > 0) again_at(to_ask_by_slot_.begin()->first + kYieldAfter);
  return need;
}

Ledger::Settled Ledger::settle(std::size_t tokens_free, Time now) {
  Settled settled;
  while (!to_ask_by_token_.empty() && to_ask_by_token_.begin()->first + kHandOverLimit <= now) {
    ask_to_yield(to_ask_by_token_.begin()->second, settled.actions);
  }
  while (holders_to_ask() > 0 && to_ask_by_slot_.begin()->first + kYieldAfter <= now) {
    ask_to_yield(to_ask_by_slot_.begin()->second, settled.actions);
  }
  if (now < pause_until_) return settled;
  if (needed() > 0) {
    settled.to_take = std::min(tokens_free, needed());
    return settled;
  }
  const std::size_t free = tokens_free + (implicit_slot_free() ? 1 : 0);
  const std::size_t spare = free - std::min(free, count(State::kIdle));
  std::size_t to_begin = std::min(spare, to_start_.size());
  if (to_begin > 0 && implicit_slot_free()) {
    implicit_slot_in_use_ = true;
    begin_first_to_start({Slot::Kind::kImplicit}, now, settled.actions);
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
  for (const auto& [taken, client] : by_token_) {
    bytes += clients_.at(client).slots.front().token.byte;
  }
  return bytes;
}

/// False where there is one of this number.
bool Ledger::add(ClientId client, State state) {
  const auto [entry, added] = clients_.try_emplace(client);
  if (!added) return false;
  entry->second.state = state;
  ++in_state(state);
  return true;
}

void Ledger::set_state(Client& client, State state) {
  --in_state(client.state);
  ++in_state(state);
  client.state = state;
}

void Ledger::give_slot(ClientId id, State state, Slot slot, Time now) {
  Client& client = clients_.at(id);
  set_state(client, state);
  client.since = now;
  client.slots.push_back(slot);
  if (slot.kind == Slot::Kind::kToken) by_token_.emplace(slot.token.taken, id);
  if (slot.kind == Slot::Kind::kLent) uncovered_.push_back(id);
  may_ask(id, client.started_up && slot.kind != Slot::Kind::kLent);
}

/// The client works on, on another slot than it had.
void Ledger::change_slot(ClientId id, Slot slot) {
  Client& client = clients_.at(id);
  may_ask(id, false);
  if (has(client, Slot::Kind::kToken)) {
    by_token_.erase({client.slots.front().token.taken, id});
  }
  client.slots.front() = slot;
  if (slot.kind == Slot::Kind::kToken) by_token_.emplace(slot.token.taken, id);
  may_ask(id, client.started_up && !client.asked && slot.kind != Slot::Kind::kLent);
}

/// Whether the client may be asked to yield the slot that it has.
void Ledger::may_ask(ClientId id, bool may) {
  Client& client = clients_.at(id);
  if (client.may_be_asked == may) return;
  client.may_be_asked = may;
  const auto note = [&client, id, may](ByTime& clients, Time since) {
    if (may) {
      clients.emplace(since + client.grace, id);
    } else {
      clients.erase({since + client.grace, id});
    }
  };
  note(to_ask_by_slot_, client.since);
  if (courtesy_ && has(client, Slot::Kind::kToken)) {
    note(to_ask_by_token_, client.slots.front().token.taken);
  }
}

void Ledger::ask_to_yield(ClientId client, Actions& actions) {
  may_ask(client, false);
  ++asked_;
  clients_.at(client).asked = true;
  actions.emplace_back(Yield{client});
}

/// As many as wait, but for those that have been asked already.
std::size_t Ledger::holders_to_ask() const {
  const std::size_t wanted = waiting_.size() - std::min(waiting_.size(), asked_);
  return std::min(wanted, to_ask_by_slot_.size());
}

void Ledger::grant_to_first_waiting(Slot slot, Time now, Actions& actions) {
  const ClientId client = waiting_.front().client;
  waiting_.pop_front();
  give_slot(client, State::kHolding, slot, now);
  actions.emplace_back(Grant{client});
}

void Ledger::begin_first_to_start(Slot slot, Time now, Actions& actions) {
  const ClientId client = to_start_.front();
  to_start_.pop_front();
  give_slot(client, State::kStarting, slot, now);
  actions.emplace_back(Begin{client});
}

void Ledger::give_up_slot(ClientId id, Time now, Actions& actions) {
  Client& client = clients_.at(id);
  may_ask(id, false);
  if (std::exchange(client.asked, false)) --asked_;
  set_state(client, State::kIdle);
  const Slot slot = client.slots.front();
  client.slots.clear();
  if (slot.kind == Slot::Kind::kToken) by_token_.erase({slot.token.taken, id});
  if (slot.kind == Slot::Kind::kLent) std::erase(uncovered_, id);
  slot_freed(slot, now, actions);
}

/// A slot has become free here: by a client that is done, or as a token was read. Decides who has
/// it next.
void Ledger::slot_freed(Slot slot, Time now, Actions& actions) {
  if (slot.kind == Slot::Kind::kLent) return;
  if (slot.kind == Slot::Kind::kImplicit) {
    implicit_slot_freed(now, actions);
    return;
  }
  const bool too_old = courtesy_ && now - slot.token.taken >= kHandOverLimit;
  const bool may_stay = !too_old && owed_ == 0;
  if (may_stay && !uncovered_.empty()) {
    change_slot(uncovered_.front(), slot);
    uncovered_.pop_front();
    return;
  }
  if (may_stay && !waiting_.empty()) {
    grant_to_first_waiting(slot, now, actions);
    return;
  }
  if (too_old) pause_until_ = now + kCourtesyPause;
  return_token(slot.token, now, actions);
}

void Ledger::implicit_slot_freed(Time now, Actions& actions) {
  const Slot implicit{Slot::Kind::kImplicit};
  implicit_slot_in_use_ = true;
  if (!uncovered_.empty()) {
    change_slot(uncovered_.front(), implicit);
    uncovered_.pop_front();
  } else if (!waiting_.empty()) {
    grant_to_first_waiting(implicit, now, actions);
  } else if (!by_token_.empty()) {
    const ClientId holder = by_token_.begin()->second;
    return_token(clients_.at(holder).slots.front().token, now, actions);
    change_slot(holder, implicit);
  } else {
    implicit_slot_in_use_ = false;
  }
}

void Ledger::return_token(const Token& token, Time now, Actions& actions) {
  last_return_ = Return{now, token.taken};
  owed_ -= std::min<std::size_t>(owed_, 1);
  actions.emplace_back(ReturnToken{token.byte});
}

}  // namespace jobslots
