#include "session/journal.h"

#include <algorithm>
#include <utility>

namespace jobslots {

void Journal::set_worker(Ledger::ClientId client, const std::string& worker) {
  const auto known = std::ranges::find(
      workers_, worker, [](const Worker& other) -> const std::string& { return other.sums.name; });
  const auto index = static_cast<unsigned>(known - workers_.begin());
  if (known == workers_.end()) workers_.push_back({{worker, {}, {}}});
  clients_[client].worker = index;
}

void Journal::replace_client(Ledger::ClientId from, Ledger::ClientId to) {
  auto entry = clients_.extract(from);
  if (!entry) return;
  entry.key() = to;
  clients_.insert(std::move(entry));
}

void Journal::set_work(Ledger::ClientId client, std::string_view work) {
  clients_[client].work = work;
  clients_[client].outcome.clear();
}

void Journal::set_outcome(Ledger::ClientId client, std::string_view outcome) {
  clients_[client].outcome = outcome;
}

void Journal::set_next(Ledger::ClientId id, std::string_view outcome, std::string_view work,
                       Time then) {
  Client& client = clients_[id];
  client.outcome = outcome;
  then = std::max(then, client.since);
  add_up(client, then);
  client.since = then;
  set_work(id, work);
}

void Journal::record(Ledger::ClientId id, Ledger::State state, Time now) {
  const auto entry = clients_.find(id);
  if (entry == clients_.end()) return;
  Client& client = entry->second;
  Doing doing = Doing::kNothing;
  if (state == Ledger::State::kWaiting) doing = Doing::kWaiting;
  if (state == Ledger::State::kStarting || state == Ledger::State::kHolding) {
    doing = Doing::kWorking;
  }
  const bool gone = state == Ledger::State::kUnknown;
  if (doing != client.doing) {
    if (gone && !client.returns && client.outcome.empty()) client.outcome = trace::kDied;
    add_up(client, now);
    client.doing = doing;
    client.since = now;
  }
  if (gone) clients_.erase(entry);
}

void Journal::record_totals(const Totals& totals, Time now) {
  const Totals before = std::exchange(totals_, totals);
  if (totals.held > 0 && !first_) first_ = now;
  if (before.held > 0) last_ = now;
  most_ = std::max(most_, totals.held);
  if (before.lent == 0 && totals.lent > 0) lent_since_ = now;
  if (before.lent > 0 && totals.lent == 0) lent_for_ += now - lent_since_;
  count(trace::kHeld, before.held, totals.held, now);
  count(trace::kWaiters, before.waiting, totals.waiting, now);
}

void Journal::record_free(std::size_t tokens, Time now) {
  if (trace_ && free_ != tokens) trace_->counter(trace::kFree, tokens, now);
  free_ = tokens;
}

Journal::Time Journal::span(Time now) const {
  if (!first_) return {};
  return (totals_.held > 0 ? now : last_) - *first_;
}

std::vector<Journal::WorkerSums> Journal::worker_sums(Time now) const {
  std::vector<WorkerSums> workers;
  for (const Worker& worker : workers_) workers.push_back(worker.sums);
  for (const auto& [id, client] : clients_) {
    WorkerSums& worker = workers.at(client.worker);
    if (client.doing == Doing::kWorking) worker.held += now - client.since;
    if (client.doing == Doing::kWaiting) worker.waited += now - client.since;
  }
  std::erase_if(workers, [](const WorkerSums& worker) {
    return worker.held == Time(0) && worker.waited == Time(0);
  });
  return workers;
}

/// What the client did until now.
void Journal::add_up(const Client& client, Time now) {
  if (client.doing == Doing::kNothing) return;
  WorkerSums& sums = workers_.at(client.worker).sums;
  (client.doing == Doing::kWaiting ? sums.waited : sums.held) += now - client.since;
  if (trace_) trace_span(client, now);
}

void Journal::trace_span(const Client& client, Time now) {
  Worker& worker = workers_.at(client.worker);
  const unsigned thread = client.worker + 1;
  if (!std::exchange(worker.in_trace, true)) trace_->name_worker(thread, worker.sums.name);
  std::string_view category = client.work;
  std::string_view name = client.work;
  std::string_view outcome;
  const std::size_t blank = category.find(' ');
  if (client.doing == Doing::kWaiting) {
    category = name = trace::kWaiting;
  } else if (category.substr(0, blank) == trace::kTest && blank != std::string_view::npos) {
    category = trace::kTest;
    name.remove_prefix(blank + 1);
    outcome = client.outcome;
  }
  trace_->span(thread, category, name, client.since, now, outcome);
}

void Journal::count(const trace::Counter& counter, std::size_t before, std::size_t value,
                    Time now) {
  if (trace_ && value != before) trace_->counter(counter, value, now);
}

}  // namespace jobslots
