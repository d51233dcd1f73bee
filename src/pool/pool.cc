#include "pool/pool.h"

#include <algorithm>
#include <utility>

#include "pool/status.h"

namespace jobslots {

using pool::Hello;

namespace {

/// Bytes that the descriptions of several clients may have in one message.
constexpr std::size_t kDescribedAtOnce = pool::kAnswerLimit / 2;

}  // namespace

Pool::Pool(unsigned job_slots, std::string fifo, bool follows_another, Time now)
    : job_slots_(job_slots), fifo_(std::move(fifo)) {
  if (follows_another) grace_until_ = now + kGrace;
}

Pool::ClientId Pool::connected(pid_t process) {
  clients_.emplace(next_id_, Client{process});
  return next_id_++;
}

void Pool::said(ClientId client, std::string_view packet, Time now) {
  const auto entry = clients_.find(client);
  if (entry == clients_.end()) return;
  const auto message = pool::parse_from_client(packet);
  if (!message) {
    refuse(client, "not a message of this protocol", now);
  } else if (const auto* hello = std::get_if<Hello>(&*message)) {
    greet(client, *hello, now);
  } else if (!entry->second.role) {
    refuse(client, "say hello first", now);
  } else {
    hear(client, entry->second, *message, now);
  }
}

void Pool::hung_up(ClientId client, Time now) {
  if (clients_.erase(client) == 0) return;
  std::erase(to_settle_, client);
  to_describe_.erase(client);
  in_hand_ += ledger_.gone(client, now);
  effects_.push_back(Drop{client});
}

void Pool::greet(ClientId id, const Hello& hello, Time now) {
  Client& client = clients_.at(id);
  if (client.role) {
    refuse(id, "said hello already", now);
  } else if (hello.version != pool::kVersion) {
    refuse(id, "this pool speaks version " + std::to_string(pool::kVersion), now);
  } else {
    client.role = hello.role;
    if (hello.role != Hello::Role::kObserver) ledger_.join(id, hello.weight, hello.held, now);
    send(id, pool::Welcome{pool::kVersion, job_slots_, fifo_});
  }
}

void Pool::hear(ClientId id, Client& client, const pool::FromClient& message, Time now) {
  if (const auto* title = std::get_if<pool::Title>(&message)) {
    client.title = title->text;
  } else if (const auto* folder = std::get_if<pool::Folder>(&message)) {
    client.folder = folder->path;
  } else if (const auto* socket = std::get_if<pool::Socket>(&message)) {
    client.socket = socket->path;
  } else if (std::holds_alternative<pool::Status>(message)) {
    to_describe_.insert(id);
  } else if (const auto* stay = std::get_if<pool::Stay>(&message)) {
    stayers_.insert(stay->process);
    effects_.push_back(Watch{stay->process});
  } else if (const auto* want = std::get_if<pool::Want>(&message)) {
    ledger_.want(id, want->total, want->spare, now);
    to_settle_.push_back(id);
  } else if (const auto* back = std::get_if<pool::Back>(&message)) {
    const std::size_t given = ledger_.give_back(id, back->count, now);
    in_hand_ += given;
    if (given < back->count) refuse(id, "gave back what it did not have", now);
  }
}

void Pool::refuse(ClientId client, std::string why, Time now) {
  send(client, pool::Refused{std::move(why)});
  hung_up(client, now);
}

void Pool::settle(PoolStore& store, Time now) {
  again_.reset();
  const bool grace = now < grace_until_;
  const bool others = store.others();
  if (grace) {
    be_asked_again(grace_until_);
  } else {
    count_slots(store, others);
    // Who has waited for long in read(2) is woken by what is put there, and is given the time.
    if (others && in_hand_ > 0 &&
        (!courtesy_at_ || now - *courtesy_at_ >= PoolLedger::kHandOverLimit)) {
      store.put(std::exchange(in_hand_, 0));
      courtesy_at_ = now;
      pause_until_ = now + kCourtesyPause;
    }
    if (now >= pause_until_) grant(store, now);
    if (in_hand_ > 0) store.put(std::exchange(in_hand_, 0));
  }
  const std::size_t free = store.count();
  for (const ClientId client : std::exchange(to_settle_, {})) send(client, pool::Settled{free});
  const bool more_is_of_use = !grace && ledger_.next(free + 1, now).has_value();
  wants_token_ = more_is_of_use && free == 0 && now >= pause_until_;
  if (more_is_of_use && now < pause_until_) {
    be_asked_again(pause_until_);
  } else if (more_is_of_use && free > 0 && others) {
    be_asked_again(now + kLookForMore);
  }
  if (!grace) ask_back(others && free == 0, now);
  for (const ClientId observer : std::exchange(to_describe_, {})) describe(observer, store, now);
}

void Pool::be_asked_again(Time time) { again_ = std::min(again_.value_or(time), time); }

void Pool::ask_back(bool others_unseen, Time now) {
  const PoolLedger::Asked asked = ledger_.ask_back(others_unseen, now);
  if (asked.again) be_asked_again(*asked.again);
  std::map<ClientId, std::size_t> counts;
  for (const ClientId client : asked.clients) ++counts[client];
  for (const auto& [client, count] : counts) send(client, pool::Yield{count});
}

/// Slots that have died with somebody are made anew; those beyond N, which were thought to be dead,
/// go.
void Pool::count_slots(PoolStore& store, bool others) {
  const std::size_t known = ledger_.held() + in_hand_ + store.count();
  if (known < job_slots_ && !others) in_hand_ += job_slots_ - known;
  for (std::size_t surplus = known - std::min<std::size_t>(known, job_slots_); surplus > 0;
       --surplus) {
    if (in_hand_ > 0) {
      --in_hand_;
    } else if (!store.try_take()) {
      break;  // Held by clients: it goes when they give it back.
    }
  }
}

void Pool::grant(PoolStore& store, Time now) {
  std::map<ClientId, std::size_t> granted;
  while (const auto client = ledger_.next(in_hand_ + store.count(), now)) {
    if (in_hand_ > 0) {
      --in_hand_;
    } else if (!store.try_take()) {
      break;
    }
    ledger_.grant(*client, now);
    ++granted[*client];
  }
  const std::size_t free = in_hand_ + store.count();
  for (const auto& [client, count] : granted) send(client, pool::Grant{count, free});
}

void Pool::describe(ClientId observer, const PoolStore& store, Time now) {
  // Hundreds of packets are more than a socket holds.
  std::string lines;
  for (const auto& [id, client] : clients_) {
    const PoolLedger::Client* const slots = ledger_.find(id);
    if (slots == nullptr || !client.role) continue;
    const std::string line = pool::describe(
        {*client.role, client.process, client.title, client.folder, client.socket}, *slots, now);
    if (!lines.empty() && lines.size() + line.size() > kDescribedAtOnce) {
      send(observer, pool::Described{std::exchange(lines, {})});
    }
    lines += (lines.empty() ? "" : "\n") + line;
  }
  if (!lines.empty()) send(observer, pool::Described{std::move(lines)});
  const std::size_t free = store.count();
  const std::size_t known = ledger_.held() + free;
  send(observer, pool::Summary{pool::describe(
                     pool::Sums{job_slots_, free, ledger_.held(),
                                job_slots_ - std::min<std::size_t>(known, job_slots_), fifo_})});
}

std::optional<Pool::Effect> Pool::next_effect() {
  if (effects_.empty()) return std::nullopt;
  Effect effect = std::move(effects_.front());
  effects_.pop_front();
  return effect;
}

}  // namespace jobslots
