#include "pool/pool_ledger.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>

namespace jobslots {
namespace {

double seconds(PoolLedger::Time time) { return std::chrono::duration<double>(time).count(); }

double half_lives(PoolLedger::Time time) { return seconds(time) / seconds(PoolLedger::kHalfLife); }

}  // namespace

void PoolLedger::join(ClientId client, unsigned weight, std::size_t held, Time now) {
  const auto [entry, added] = clients_.try_emplace(client);
  if (!added) return;
  entry->second.weight = std::max(weight, 1U);
  entry->second.held.assign(held, now);
  entry->second.used_at = entry->second.since = now;
  held_ += held;
  if (held > 0) holders_.insert(client);
}

void PoolLedger::want(ClientId client, std::size_t total, std::size_t spare, Time now) {
  change(client, now, [&](Client& entry) {
    if (entry.missing() == 0) entry.since = now;
    entry.wanted = total;
    entry.spare = spare;
  });
}

std::size_t PoolLedger::give_back(ClientId client, std::size_t count, Time now) {
  std::size_t given = 0;
  change(client, now, [&](Client& entry) {
    given = std::min(count, entry.held.size());
    entry.held.erase(entry.held.begin(), entry.held.begin() + static_cast<std::ptrdiff_t>(given));
    entry.asked -= std::min(given, entry.asked);
    entry.since = now;
    held_ -= given;
  });
  return given;
}

std::size_t PoolLedger::gone(ClientId client, Time now) {
  const auto entry = clients_.find(client);
  if (entry == clients_.end()) return 0;
  const std::size_t free = give_back(client, entry->second.held.size(), now);
  leave_lines(client, entry->second);
  clients_.erase(entry);
  return free;
}

std::optional<PoolLedger::ClientId> PoolLedger::next(std::size_t free, Time now) const {
  std::optional<ClientId> best;
  if (free == 0) return best;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [order, since, id] : in_line_) {
    const Client& client = clients_.at(id);
    if (!serves(client, free)) continue;
    best = id;
    least = has(client, 0, now);
    break;
  }
  for (const ClientId id : waiting_holders_) {
    const Client& client = clients_.at(id);
    if (!serves(client, free)) continue;
    if (const double it_has = has(client, client.held.size(), now); it_has < least) {
      best = id;
      least = it_has;
    }
  }
  return best;
}

void PoolLedger::grant(ClientId client, Time now) {
  change(client, now, [&](Client& entry) {
    entry.held.push_back(now);
    entry.since = now;
    ++held_;
  });
}

PoolLedger::Asked PoolLedger::ask_back(bool others_unseen, Time now) {
  Asked asked;
  if (others_unseen) {
    for (const ClientId id : holders_) {
      const Client& client = clients_.at(id);
      while (client.unasked() > 0 && client.held.at(client.asked) + kHandOverLimit <= now) {
        ask(id, now, asked);
      }
      if (client.unasked() > 0) asked.again_at(client.held.at(client.asked) + kHandOverLimit);
    }
  }
  // The claims in the order in which they are served. Of those in line only the first one is there:
  // who is behind another one has used more.
  std::priority_queue<Claim, std::vector<Claim>, std::greater<>> claims;
  const auto add = [&](ClientId id, std::size_t slots) {
    const Client& client = clients_.at(id);
    if (client.spare > 0) return false;
    if (slots < client.wanted) claims.push({has(client, slots, now), id, slots});
    return true;
  };
  auto line = in_line_.begin();
  const auto add_next_in_line = [&] {
    while (line != in_line_.end() && !add(get<2>(*line++), 0)) continue;
  };
  add_next_in_line();
  for (const ClientId id : waiting_holders_) add(id, clients_.at(id).held.size());
  if (claims.empty()) return asked;
  std::size_t answered = coming(now, asked);
  // Where a slot cannot be asked for, it cannot be for who comes after.
  for (; !claims.empty(); answered -= std::min<std::size_t>(answered, 1)) {
    const Claim claim = claims.top();
    if (answered == 0 && !ask_for(claim, now, asked)) break;
    claims.pop();
    if (claim.slots == 0) add_next_in_line();
    add(claim.client, claim.slots + 1);
  }
  return asked;
}

const PoolLedger::Client* PoolLedger::find(ClientId client) const {
  const auto entry = clients_.find(client);
  return entry == clients_.end() ? nullptr : &entry->second;
}

/// What n slots use in a time t is the integral of n * 2^-(x/h) from 0 to t, h being the half-life.
double PoolLedger::use(const Client& client, Time now) {
  const double left = std::exp2(-half_lives(now - client.used_at));
  const double held = static_cast<double>(client.held.size());
  return client.used * left + held * kWorth * (1 - left);
}

bool PoolLedger::somebody_waits() const {
  const auto waits = [this](ClientId id) { return clients_.at(id).spare == 0; };
  return std::ranges::any_of(in_line_, [&](const Order& order) { return waits(get<2>(order)); }) ||
         std::ranges::any_of(waiting_holders_, waits);
}

PoolLedger::Order PoolLedger::order_of(ClientId id, const Client& client) {
  return {std::log2(client.used / client.weight) + half_lives(client.used_at), client.since, id};
}

void PoolLedger::leave_lines(ClientId id, const Client& client) {
  in_line_.erase(order_of(id, client));
  waiting_holders_.erase(id);
  holders_.erase(id);
}

void PoolLedger::enter_lines(ClientId id, Client& client) {
  if (!client.held.empty()) holders_.insert(id);
  if (client.missing() == 0) return;
  if (client.held.empty()) {
    in_line_.insert(order_of(id, client));
  } else {
    waiting_holders_.insert(id);
  }
}

template <class Change>
void PoolLedger::change(ClientId id, Time now, Change what) {
  const auto entry = clients_.find(id);
  if (entry == clients_.end()) return;
  Client& client = entry->second;
  leave_lines(id, client);
  client.used = use(client, now);
  client.used_at = now;
  what(client);
  enter_lines(id, client);
}

/// From when on the holder may be asked for the slot that is claimed (rule 3), as far as that can
/// be told now; nothing where it has none to be asked for.
std::optional<PoolLedger::Time> PoolLedger::may_ask(const Client& holder, const Claim& claim,
                                                    Time now) {
  if (holder.unasked() == 0) return std::nullopt;
  const Time old_enough = holder.held.at(holder.asked) + kYieldAfter;
  const double ahead = has(holder, holder.unasked() - 1, now) - claim.has;
  if (ahead > kQuantum) return old_enough;
  // Its use grows by that much a second at most.
  const double growth = static_cast<double>(holder.held.size()) / holder.weight;
  const std::chrono::duration<double> until((kQuantum - ahead) / growth);
  return std::max(old_enough, now + std::max(std::chrono::duration_cast<Time>(until), kYieldAfter));
}

/// How many slots have been asked for and are soon to come.
std::size_t PoolLedger::coming(Time now, Asked& asked) const {
  std::size_t slots = 0;
  for (const ClientId id : holders_) {
    const Client& client = clients_.at(id);
    const Time patience = client.asked_at + kPatience;
    if (client.asked == 0 || patience <= now) continue;
    slots += client.asked;
    asked.again_at(patience);
  }
  return slots;
}

/// Asks for one slot for the claim. Whether that was possible now.
bool PoolLedger::ask_for(const Claim& claim, Time now, Asked& asked) {
  std::optional<ClientId> best;
  double most = 0;
  for (const ClientId id : holders_) {
    const Client& holder = clients_.at(id);
    const auto from = id == claim.client ? std::nullopt : may_ask(holder, claim, now);
    if (from && *from > now) {
      asked.again_at(*from);
    } else if (from) {
      if (const double it_has = has(holder, holder.unasked(), now); it_has > most) {
        best = id;
        most = it_has;
      }
    }
  }
  if (!best) return false;
  ask(*best, now, asked);
  return true;
}

void PoolLedger::ask(ClientId id, Time now, Asked& asked) {
  Client& client = clients_.at(id);
  ++client.asked;
  client.asked_at = now;
  asked.again_at(now + kPatience);
  asked.clients.push_back(id);
}

}  // namespace jobslots
