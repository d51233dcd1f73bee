#include "session/session.h"

#include <algorithm>
#include <charconv>
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

/// 12 of gw12: the order in which xdist numbers its workers.
unsigned rank_of(std::string_view name) {
  name.remove_prefix(name.find_last_not_of("0123456789") + 1);
  unsigned rank = 0;
  std::from_chars(name.data(), name.data() + name.size(), rank);
  return rank;
}

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
    bye(now);
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

void Session::asked_back(std::size_t count, Time now) {
  add(ledger_.ask_back(count));
  finish(now);
}

void Session::starts_settled() {
  if (std::exchange(sync_asked_, false)) send(kController, message::Synced{});
}

void Session::implicit_slot_gained(Time now) {
  add(ledger_.implicit_slot_gained(now));
  finish(now);
}

void Session::implicit_slot_lost(Time now) {
  add(ledger_.implicit_slot_lost());
  finish(now);
}

void Session::examined(std::optional<Stall::Cpu> cpu, Time now) {
  examining_ = false;
  if (stall_.looked(cpu, ledger_.holding(), now) && may_stall()) lend(now);
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

Ledger::Need Session::need(Time now) const {
  Ledger::Need need = ledger_.need(now);
  const auto at = [&need](Time time) { need.again = std::min(need.again.value_or(time), time); };
  if (may_stall()) at(stall_.look_at());
  if (!observers_.empty()) at(observers_until_);
  return need;
}

bool Session::wants_implicit_slot() const {
  return !controller_gone_ && !ledger_.has_implicit_slot() &&
         ledger_.waiting() + ledger_.uncovered() + ledger_.to_start() > 0;
}

bool Session::can_spare_implicit_slot() const {
  return ledger_.implicit_slot_free() && ledger_.to_start() == 0;
}

std::size_t Session::settle(std::size_t tokens_free, Time now) {
  if (may_stall() && now >= stall_.look_at()) examine(now);
  if (!observers_.empty() && now >= observers_until_) answer_observers(false, now);
  const Ledger::Settled settled = ledger_.settle(tokens_free, now);
  if (!settled.actions.empty()) {
    add(settled.actions);
    finish(now);
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
                   [&](const message::Lost& lost) { lose(lost.name, now); },
                   [&](const message::Sync&) { sync_asked_ = true; },
                   [&](const message::Title& title) {
                     title_ = title.text;
                     effects_.push_back(SetTitle{title.text});
                   },
                   [&](const message::Trace& trace) { effects_.push_back(OpenTrace{trace.file}); },
                   [&](const message::Sum&) { send_sums(now); },
                   [&](const message::Runs& runs) {
                     if (controller_is_asked_) runs_.push_back(runs);
                   },
                   [&](const message::Told&) {
                     controller_is_asked_ = false;
                     answer_observers(true, now);
                     runs_.clear();
                   },
                   [&](const message::Bye&) { bye(now); },
                   [&](const auto&) { refuse(kController, "not a message of a controller", now); }},
             message);
}

void Session::hear_worker(ClientId client, const FromClient& message, Time now) {
  if (const auto* hello = std::get_if<message::Hello>(&message)) {
    greet(client, *hello, now);
    return;
  }
  const auto* want = std::get_if<message::Want>(&message);
  const auto* next = std::get_if<message::Next>(&message);
  const auto* done = std::get_if<message::Done>(&message);
  if (want == nullptr && next == nullptr && done == nullptr) {
    refuse(client, kNotAMessage, now);
  } else if (!workers_.at(client).greeted) {
    refuse(client, "say hello first", now);
  } else if (want != nullptr) {
    hear_want(client, *want, now);
  } else if (next != nullptr) {
    if (ledger_.state_of(client) == Ledger::State::kHolding) {
      // Another machine's clock is another one.
      const bool remote = workers_.at(client).remote;
      const Time then = remote ? now : std::min(now, Time(next->time));
      journal_.set_next(client, next->outcome, next->work, then);
    } else {
      refuse(client, "goes on without a slot", now);
    }
  } else {
    journal_.set_outcome(client, done->outcome);
    add(ledger_.done(client, now));
  }
  touched_.push_back(client);
}

void Session::hear_want(ClientId client, const message::Want& want, Time now) {
  if (const auto welcomed = std::exchange(workers_.at(client).welcomed, std::nullopt)) {
    ledger_.set_grace(client, std::min(kLongestGrace, kWorthOfJourney * (now - *welcomed)));
  }
  journal_.set_work(client, want.work);
  add(ledger_.want(client, now));
  // Nobody is there to be told of it, and make waits for this to end.
  if (controller_gone_ && want.work == trace::kFinishing) add(ledger_.lend_to(client, now));
}

void Session::greet(ClientId client, const message::Hello& hello, Time now) {
  Worker& worker = workers_.at(client);
  if (worker.greeted) {
    refuse(client, "said hello already", now);
    return;
  }
  if (hello.role == message::Hello::Role::kController || hello.version != kProtocolVersion) {
    refuse(client, "this broker speaks version " + std::to_string(kProtocolVersion) + " to workers",
           now);
    return;
  }
  if (hello.role == message::Hello::Role::kObserver) {
    observe(client, now);
    return;
  }
  worker.remote = hello.role == message::Hello::Role::kRemote;
  if (worker.remote) {
    // A process of its own would be one more client each time that it says so.
    if (worker.process.pid != controller_.pid) {
      refuse(client, "only the controller speaks for a remote worker", now);
      return;
    }
    worker.process = {};
  }
  // A test may have closed the worker's socket, and the worker connects again: one process, one
  // client. What its lost connection held is free from here on.
  std::vector<ClientId> earlier;
  for (const auto& [other_id, other] : workers_) {
    const bool same = worker.remote
                          ? other.remote && other.name == hello.name
                          : other.process.pid == worker.process.pid && worker.process.pid > 0;
    if (other.greeted && same) earlier.push_back(other_id);
  }
  for (const ClientId other : earlier) {
    journal_.expect_return(other);
    forget(other, now);
  }
  worker.greeted = true;
  worker.name = hello.name;
  const unsigned rank = rank_of(hello.name);
  if (const auto started = to_start_.find(hello.name); started != to_start_.end()) {
    journal_.replace_client(started->second, client);
    seen_.erase(started->second);
    add(ledger_.join_as(client, started->second, now, rank));
    to_start_.erase(started);
  } else {
    add(ledger_.join(client, rank));
  }
  journal_.set_worker(client, hello.name);
  touched_.push_back(client);
  send(client, message::Welcome{journal_.tracing()});
  if (worker.remote) worker.welcomed = now;
  if (has_stalled_) send(client, message::Keep{});
}

void Session::send(ClientId client, ToClient message) {
  // Who has lost its connection works on its slot, and is told nothing.
  const auto worker = workers_.find(client);
  if (worker != workers_.end() && !worker->second.connected) return;
  effects_.push_back(Send{client, std::move(message)});
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
  if (worker == workers_.end()) {
    forget(client, now);
    return;
  }
  if (!worker->second.process.watched || !has_slot(client)) {
    forget(client, now);
  } else if (std::exchange(worker->second.connected, false)) {
    effects_.push_back(HangUp{client});
  }
}

void Session::forget(ClientId client, Time now) {
  if (observers_.erase(client) > 0) effects_.push_back(Drop{client});
  if (workers_.erase(client) == 0) return;
  effects_.push_back(Drop{client});
  add(ledger_.gone(client, now));
  touched_.push_back(client);
}

/// The controller asks for nothing any more, and is told nothing.
void Session::bye(Time now) {
  end_starts(now);
  controller_over_ = true;
}

void Session::controller_gone(Time now) {
  effects_.push_back(Drop{kController});
  controller_connected_ = false;
  bye(now);
  controller_gone_ = true;
  add(ledger_.implicit_slot_lost());
  for (const auto& [client, worker] : workers_) {
    if (worker.greeted && !worker.remote) effects_.push_back(Interrupt{client});
  }
}

void Session::start(const std::string& name, Time now) {
  end_start(name, now);
  const ClientId client = next_id_++;
  to_start_.emplace(name, client);
  seen_.emplace(client, Seen{Ledger::State::kToStart, now});
  add(ledger_.start(client));
}

void Session::end_start(std::string_view name, Time now) {
  const auto entry = to_start_.find(name);
  if (entry == to_start_.end()) return;
  add(ledger_.gone(entry->second, now));
  touched_.push_back(entry->second);
  to_start_.erase(entry);
}

const std::string& Session::name_to_start(ClientId client) const {
  return std::ranges::find_if(to_start_,
                              [client](const auto& entry) { return entry.second == client; })
      ->first;
}

void Session::end_starts(Time now) {
  while (!to_start_.empty()) end_start(std::string(to_start_.begin()->first), now);
}

void Session::lose(std::string_view name, Time now) {
  const auto worker = std::ranges::find_if(workers_, [name](const auto& entry) {
    return entry.second.greeted && entry.second.name == name;
  });
  if (worker == workers_.end()) {
    end_start(name, now);
  } else {
    const ClientId client = worker->first;
    if (!worker->second.remote) effects_.push_back(Kill{client});
    forget(client, now);
  }
}

/// It is no worker from here on. While the controller owes an answer that somebody has given up to
/// wait for, nobody waits for it.
void Session::observe(ClientId client, Time now) {
  workers_.erase(client);
  const bool is_late = controller_is_asked_ && observers_.empty();
  if (observers_.empty()) observers_until_ = now + kPatienceOfObservers;
  observers_.insert(client);
  if (is_late || controller_over_) {
    answer_observers(false, now);
  } else if (!std::exchange(controller_is_asked_, true)) {
    send(kController, message::Running{});
  }
}

void Session::answer_observers(bool tests_known, Time now) {
  if (observers_.empty()) return;
  const std::string json = to_json(status(tests_known, now), kStatusLimit);
  for (const ClientId client : std::exchange(observers_, {})) {
    send(client, message::Status{json});
    effects_.push_back(Drop{client});
  }
}

SessionStatus Session::status(bool tests_known, Time now) const {
  SessionStatus status{.controller = controller_.pid,
                       .title = title_,
                       .folder = about_.folder,
                       .pool = about_.pool,
                       .job_slots = job_slots_,
                       .held = ledger_.holding(),
                       .wanted = ledger_.holding() + ledger_.waiting() + ledger_.to_start(),
                       .workers = {},
                       .other_tests = {},
                       .tests_known = tests_known};
  const auto add = [&](const std::string& name, long process, ClientId client) {
    if (const auto seen = seen_.find(client); seen != seen_.end()) {
      status.workers.push_back(
          {name, process, std::string(name_of(seen->second.state)), now - seen->second.since});
    }
  };
  for (const auto& [client, worker] : workers_) add(worker.name, worker.process.pid, client);
  for (const auto& [name, client] : to_start_) add(name, 0, client);
  std::ranges::stable_sort(status.workers, {},
                           [](const auto& worker) { return rank_of(worker.name); });
  if (!tests_known) return status;
  for (const message::Runs& runs : runs_) {
    const SessionStatus::Test test{runs.test, Time(runs.time)};
    const auto worker = std::ranges::find(status.workers, runs.name, &SessionStatus::Worker::name);
    if (worker == status.workers.end()) {
      status.other_tests.push_back(test);
    } else {
      worker->test = test;
    }
  }
  return status;
}

bool Session::has_slot(ClientId client) const {
  const Ledger::State state = ledger_.state_of(client);
  return state == Ledger::State::kHolding || state == Ledger::State::kStarting;
}

/// Whether somebody may wait for what a waiting worker has.
bool Session::may_stall() const {
  return ledger_.waiting() + ledger_.to_start() > 0 && ledger_.holding() > 0 && !controller_gone_;
}

void Session::examine(Time now) {
  if (std::exchange(examining_, true)) return;
  Examine examine;
  for (const auto& [client, worker] : workers_) {
    if (has_slot(client) && !worker.remote) examine.clients.push_back(client);
  }
  // Of one that is being started the process is not known yet.
  if (examine.clients.size() == ledger_.holding()) {
    effects_.push_back(std::move(examine));
  } else {
    examined(std::nullopt, now);
  }
}

void Session::lend(Time now) {
  for (const auto& [client, worker] : workers_) {
    if (has_slot(client)) send(kController, message::Holds{worker.name});
  }
  for (const auto& [name, client] : to_start_) {
    if (has_slot(client)) send(kController, message::Holds{name});
  }
  if (!std::exchange(has_stalled_, true)) {
    for (const auto& [client, worker] : workers_) {
      if (worker.greeted) send(client, message::Keep{});
    }
  }
  const Ledger::Actions actions = ledger_.lend(now);
  for (const Ledger::Action& action : actions) {
    if (const auto* grant = std::get_if<Ledger::Grant>(&action)) {
      send(kController, message::Lent{workers_.at(grant->client).name});
    } else if (const auto* begin = std::get_if<Ledger::Begin>(&action)) {
      send(kController, message::Lent{name_to_start(begin->client)});
    }
  }
  journal_.count_lent();
  add(actions);
}

void Session::send_sums(Time now) {
  for (const Journal::WorkerSums& worker : journal_.worker_sums(now)) {
    send(kController, message::WorkerSums{worker.name, worker.held.count(), worker.waited.count()});
  }
  send(kController, message::Summed{journal_.most(), journal_.span(now).count(), journal_.lends(),
                                    journal_.lent_for(now).count()});
}

/// The end of each event: what the ledger has decided, and what the journal is to know of it.
void Session::finish(Time now) {
  while (!actions_.empty()) {
    const Ledger::Action action = actions_.front();
    actions_.pop_front();
    carry_out(action, now);
  }
  if (!touched_.empty()) stall_.moved(now);
  for (const ClientId client : touched_) {
    const Ledger::State state = ledger_.state_of(client);
    journal_.record(client, state, now);
    see(client, state, now);
  }
  touched_.clear();
  journal_.record_totals({ledger_.holding(), ledger_.waiting(), ledger_.uncovered()}, now);
}

void Session::see(ClientId client, Ledger::State state, Time now) {
  if (state == Ledger::State::kUnknown) {
    seen_.erase(client);
  } else if (const auto [seen, is_new] = seen_.try_emplace(client, Seen{state, now});
             !is_new && seen->second.state != state) {
    seen->second = {state, now};
  }
}

void Session::carry_out(const Ledger::Action& action, Time now) {
  std::visit(
      Match{[&](const Ledger::Grant& grant) {
              touched_.push_back(grant.client);
              send(grant.client, message::Grant{});
            },
            [&](const Ledger::Yield& yield) { send(yield.client, message::Yield{}); },
            [&](const Ledger::Begin& begin) {
              const std::string& name = name_to_start(begin.client);
              journal_.set_worker(begin.client, name);
              touched_.push_back(begin.client);
              send(kController, message::Begin{name});
            },
            [&](const Ledger::ReturnToken& token) { effects_.push_back(Return{token.token}); },
            [&](const Ledger::Refuse& refused) { refuse(refused.client, refused.why, now); }},
      action);
}

}  // namespace jobslots
