#include "session/journal.h"

#include <algorithm>
#include <utility>

namespace jobslots {
namespace {

constexpr std::string_view kTest = "test ";

/// The outcome of a test whose worker was there no more at its end.
constexpr std::string_view kDied = "died";

}  // namespace

void Journal::name(Ledger::ClientId client, const std::string& worker) {
  const auto known = std::ranges::find(
      workers_, worker, [](const Worker& other) -> const std::string& { return other.sums.name; });
  const auto index = static_cast<unsigned>(known - workers_.begin());
  if (known == workers_.end()) {
    workers_.push_back({{worker, {}, {}}});
  }
  clients_[client].worker = index;
}

void Journal::rename(Ledger::ClientId from, Ledger::ClientId to) {
  auto entry = clients_.extract(from);
  if (!entry) return;
  entry.key() = to;
  clients_.insert(std::move(entry));
}

void Journal::wants_for(Ledger::ClientId client, std::string_view work) {
  clients_[client].work = work;
  clients_[client].outcome.clear();
}

void Journal::ended(Ledger::ClientId client, std::string_view outcome) {
  clients_[client].outcome = outcome;
}

void Journal::look(const Ledger& ledger, std::optional<int> tokens_free, Time now) {
  std::size_t waiting = 0;
  std::size_t held = 0;
  for (auto entry = clients_.begin(); entry != clients_.end();) {
    auto& [id, client] = *entry;
    const Ledger::State state = ledger.state_of(id);
    look_at(client, state, now);
    if (client.doing == Doing::kWaiting) ++waiting;
    if (client.doing == Doing::kWorking) ++held;
    entry = state == Ledger::State::kUnknown ? clients_.erase(entry) : std::next(entry);
  }
  if (held > 0 && !first_) first_ = now;
  if (counters_.held > 0) last_ = now;
  most_ = std::max(most_, held);
  count({held, waiting, tokens_free}, now);
}

Journal::Time Journal::span(Time now) const {
  if (!first_) return {};
  return (counters_.held > 0 ? now : last_) - *first_;
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

std::string Journal::flush() {
  std::string why = trace_ ? trace_->flush() : "";
  if (!why.empty()) trace_.reset();
  return why;
}

void Journal::look_at(Client& client, Ledger::State state, Time now) {
  Doing doing = Doing::kNothing;
  if (state == Ledger::State::kWaiting) doing = Doing::kWaiting;
  if (state == Ledger::State::kStarting || state == Ledger::State::kHolding) {
    doing = Doing::kWorking;
  }
  if (doing == client.doing) return;
  const bool died = state == Ledger::State::kUnknown && !client.lives;
  if (died && client.outcome.empty()) client.outcome = kDied;
  end_of(client, now);
  client.doing = doing;
  client.since = now;
}

/// Adds up what the client did until now.
void Journal::end_of(const Client& client, Time now) {
  if (client.doing == Doing::kNothing) return;
  Worker& worker = workers_.at(client.worker);
  const bool waited = client.doing == Doing::kWaiting;
  (waited ? worker.sums.waited : worker.sums.held) += now - client.since;
  if (!trace_) return;
  const unsigned thread = client.worker + 1;
  if (!std::exchange(worker.in_trace, true)) trace_->name_worker(thread, worker.sums.name);
  if (waited) {
    trace_->span(thread, "waiting", "waiting", client.since, now, "");
  } else if (client.work.starts_with(kTest)) {
    trace_->span(thread, "test", std::string_view(client.work).substr(kTest.size()), client.since,
                 now, client.outcome);
  } else {
    trace_->span(thread, client.work, client.work, client.since, now, "");
  }
}

void Journal::count(const Counters& counters, Time now) {
  const Counters before = std::exchange(counters_, counters);
  if (!trace_) return;
  if (counters.held != before.held) {
    trace_->counter("job slots held", "held", counters.held, now);
  }
  if (counters.waiting != before.waiting) {
    trace_->counter("workers waiting", "waiting", counters.waiting, now);
  }
  if (counters.free && counters.free != before.free) {
    trace_->counter("free job slots", "free", static_cast<std::size_t>(*counters.free), now);
  }
}

}  // namespace jobslots
