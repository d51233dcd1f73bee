#include "session/session.h"

#include <algorithm>
#include <utility>

namespace jobslots {
namespace {

/// A function object of several, one for each kind of message.
template <class... Functions>
struct Match : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Match(Functions...) -> Match<Functions...>;

constexpr const char* kNotAMessage = "not a message of this protocol";

}  // namespace

Session::ClientId Session::connected(Process process) {
  const ClientId client = next_id_++;
  workers_.emplace(client, Worker{process});
  return client;
}

void Session::said(ClientId client, std::string_view packet, Time now) {
  const auto worker = workers_.find(client);
  if (client != kController && (worker == workers_.end() || !worker->second.connected)) return;
  const auto message = parse(packet);
  if (!message) {
    refuse(client,
           packet.size() > kMessageLimit ? "longer than a message of this protocol" : kNotAMessage,
           now);
  } else if (client == kController) {
    hear_controller(*message, now);
  } else {
    hear_worker(client, *message, now);
  }
  finish(now);
}

void Session::hung_up(ClientId client, Time now) {
  if (client != kController) {
    part(client, now);
  } else if (std::exchange(controller_connected_, false)) {
    effects_.push_back(HangUp{client});
    end_pending_starts(now);  // It cannot be told to begin them.
    if (!controller_.watched) controller_gone(now);
  }
  finish(now);
}

void Session::gone(ClientId client, Time now) {
  if (client == kController) {
    controller_gone(now);
  } else {
    forget(client, now);
  }
  finish(now);
}

void Session::undelivered(const Send& send, Time now) {
  // Who is refused may go on working on its slot; anybody else waits for what it was to be told.
  if (!std::holds_alternative<message::Refused>(send.message)) forget(send.client, now);
  finish(now);
}

void Session::token(char token, Time now) {
  add(ledger_.token_read(token, now));
  finish(now);
}

void Session::trace_opened(Time) {
  TraceText trace(controller_.pid);
  trace.name_process(title_, job_slots_);
  journal_.begin_trace(std::move(trace));
  send(kController, message::Traced{});
}

void Session::trace_ended(std::string why) {
  journal_.end_trace();
  send(kController, message::Untraced{std::move(why)});
}

std::size_t Session::settle(std::size_t tokens_free, Time now) {
  const Ledger::Settled settled = ledger_.settle(tokens_free, now);
  if (!settled.actions.empty()) {
    add(settled.actions);
    finish(now);
  }
  if (settled.to_take == 0 && std::exchange(sync_asked_, false)) {
    send(kController, message::Synced{});
  }
  return settled.to_take;
}

std::optional<Session::Effect> Session::next_effect() {
  if (effects_.empty()) return std::nullopt;
  Effect effect = std::move(effects_.front());
  effects_.pop_front();
  return effect;
}

void Session::hear_controller(const FromClient& message, Time now) {
  std::visit(Match{[&](const message::Start& start) {
                     if (!controller_over_) this->start(start.name, now);
                   },
                   [&](const message::Cancel& cancel) {
                     if (const auto entry = to_start_.find(cancel.name); entry != to_start_.end()) {
                       journal_.forget(entry->second);
                     }
                     end_start(cancel.name, now);
                   },
                   [&](const message::Ended& ended) { end_start(ended.name, now); },
                   [&](const message::Sync&) { sync_asked_ = true; },
                   [&](const message::Title& title) { title_ = title.text; },
                   [&](const message::Trace& trace) { effects_.push_back(OpenTrace{trace.file}); },
                   [&](const message::Sum&) { send_sums(now); },
                   [&](const message::Bye&) {
                     end_starts(now);
                     controller_over_ = true;
                   },
                   [&](const auto&) { refuse(kController, "not a message of a controller", now); }},
             message);
}

void Session::hear_worker(ClientId client, const FromClient& message, Time now) {
  if (const auto* hello = std::get_if<message::Hello>(&message)) {
    greet(client, *hello, now);
    return;
  }
  const auto* want = std::get_if<message::Want>(&message);
  const auto* done = std::get_if<message::Done>(&message);
  if (want == nullptr && done == nullptr) {
    refuse(client, kNotAMessage, now);
  } else if (!workers_.at(client).greeted) {
    refuse(client, "say hello first", now);
  } else if (want != nullptr) {
    journal_.set_work(client, want->work);
    add(ledger_.want(client, now));
  } else {
    journal_.set_outcome(client, done->outcome);
    add(ledger_.done(client, now));
  }
  touched_.push_back(client);
}

void Session::greet(ClientId client, const message::Hello& hello, Time now) {
  Worker& worker = workers_.at(client);
  if (worker.greeted) {
    refuse(client, "said hello already", now);
    return;
  }
  if (hello.role != message::Hello::Role::kWorker || hello.version != kProtocolVersion) {
    refuse(client, "this broker speaks version " + std::to_string(kProtocolVersion) + " to workers",
           now);
    return;
  }
  // A test may have closed the worker's socket, and the worker connects again: one process, one
  // client. What its lost connection held is free from here on.
  std::vector<ClientId> earlier;
  for (const auto& [other_id, other] : workers_) {
    if (other.greeted && other.process.pid == worker.process.pid && worker.process.pid > 0) {
      earlier.push_back(other_id);
    }
  }
  for (const ClientId other : earlier) {
    journal_.expect_return(other);
    forget(other, now);
  }
  worker.greeted = true;
  if (const auto started = to_start_.find(hello.name); started != to_start_.end()) {
    journal_.replace_client(started->second, client);
    add(ledger_.join_as(client, started->second, now));
    to_start_.erase(started);
  } else {
    add(ledger_.join(client));
  }
  journal_.set_worker(client, hello.name);
  touched_.push_back(client);
  send(client, message::Welcome{journal_.tracing()});
}

/// A controller that breaks the protocol keeps its connection: the session hangs on it.
void Session::refuse(ClientId client, std::string why, Time now) {
  send(client, message::Refused{std::move(why)});
  if (client != kController) part(client, now);
}

/// The connection of a worker ends. Where its process is known to live on and has a slot, it still
/// works on that.
void Session::part(ClientId client, Time now) {
  const auto worker = workers_.find(client);
  if (worker == workers_.end()) return;
  const Ledger::State state = ledger_.state_of(client);
  const bool has_slot = state == Ledger::State::kHolding || state == Ledger::State::kStarting;
  if (!worker->second.process.watched || !has_slot) {
    forget(client, now);
  } else if (std::exchange(worker->second.connected, false)) {
    effects_.push_back(HangUp{client});
  }
}

void Session::forget(ClientId client, Time now) {
  if (workers_.erase(client) == 0) return;
  effects_.push_back(Drop{client});
  add(ledger_.gone(client, now));
  touched_.push_back(client);
}

void Session::controller_gone(Time now) {
  controller_over_ = true;
  effects_.push_back(Drop{kController});
  end_starts(now);
  add(ledger_.implicit_slot_lost(now));
  for (const auto& [client, worker] : workers_) {
    if (worker.greeted) effects_.push_back(Interrupt{client});
  }
}

void Session::start(const std::string& name, Time now) {
  end_start(name, now);
  const ClientId client = next_id_++;
  to_start_.emplace(name, client);
  add(ledger_.start(client));
}

void Session::end_start(std::string_view name, Time now) {
  const auto entry = to_start_.find(name);
  if (entry == to_start_.end()) return;
  add(ledger_.gone(entry->second, now));
  touched_.push_back(entry->second);
  to_start_.erase(entry);
}

void Session::end_starts(Time now) {
  while (!to_start_.empty()) end_start(std::string(to_start_.begin()->first), now);
}

void Session::end_pending_starts(Time now) {
  std::vector<std::string> pending;
  for (const auto& [name, client] : to_start_) {
    if (ledger_.state_of(client) == Ledger::State::kToStart) pending.push_back(name);
  }
  for (const std::string& name : pending) end_start(name, now);
}

void Session::send_sums(Time now) {
  for (const Journal::WorkerSums& worker : journal_.worker_sums(now)) {
    send(kController, message::WorkerSums{worker.name, worker.held.count(), worker.waited.count()});
  }
  send(kController, message::Summed{journal_.most(), journal_.span(now).count()});
}

/// The end of each event: what the ledger has decided, and what the journal is to know of it.
void Session::finish(Time now) {
  while (!actions_.empty()) {
    const Ledger::Action action = actions_.front();
    actions_.pop_front();
    carry_out(action, now);
  }
  for (const ClientId client : touched_) journal_.record(client, ledger_.state_of(client), now);
  touched_.clear();
  journal_.record_totals(ledger_.holding(), ledger_.waiting(), now);
}

void Session::carry_out(const Ledger::Action& action, Time now) {
  std::visit(
      Match{[&](const Ledger::Grant& grant) {
              touched_.push_back(grant.client);
              send(grant.client, message::Grant{});
            },
            [&](const Ledger::Begin& begin) {
              const auto worker = std::ranges::find_if(
                  to_start_, [&](const auto& entry) { return entry.second == begin.client; });
              journal_.set_worker(begin.client, worker->first);
              touched_.push_back(begin.client);
              send(kController, message::Begin{worker->first});
            },
            [&](const Ledger::ReturnToken& token) { effects_.push_back(Return{token.token}); },
            [&](const Ledger::Refuse& refused) { refuse(refused.client, refused.why, now); }},
      action);
}

}  // namespace jobslots
