#include "broker/broker.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "system/clock.h"
#include "system/cpu_time.h"

namespace jobslots {

Broker::Broker(Peer controller, Slots slots, Rendezvous rendezvous, Poller poller, Log log,
               std::string folder)
    : now_(monotonic_now()),
      log_(std::move(log)),
      session_(Connections::process_of(controller), slots.job_slots(), slots.own_implicit_slot,
               !slots.is_pool(), {std::move(folder), slots.pool_folder()}),
      poller_(std::move(poller)),
      slots_(open_source(poller_, Connections::tag_of(Source::kTokens), std::move(slots.from))),
      connections_(poller_, std::move(rendezvous)),
      implicit_slot_(poller_, Connections::tag_of(Source::kClaim),
                     Connections::tag_of(Source::kJob), log_, std::move(slots.job)),
      controller_(std::move(controller)) {}

bool Broker::run() {
  try {
    connections_.add(Session::kController, *std::exchange(controller_, std::nullopt));
    implicit_slot_.watch();
    serve();
    return true;
  } catch (const std::exception& error) {
    log_.line(monotonic_now(), "gives up:", error.what());
    give_back_all_tokens();
    trace_.write(session_);
    return false;
  }
}

void Broker::serve() {
  while (!session_.over() || !slots_->all_returned()) {
    settle();
    record_free();
    if (trace_.write_if_due(session_, now_)) carry_out_effects();
    connections_.watch(now_);
    slots_->watch(session_.need(now_), now_);
    const std::vector<Poller::Tag> events = poller_.wait(wait_limit());
    now_ = monotonic_now();
    if (const auto again = slots_->again(); again && *again <= now_) look_at_slots();
    for (const Poller::Tag event : events) {
      handle(event);
      settle();
      now_ = monotonic_now();
    }
    SessionTrace::gather(session_);
  }
  if (trace_.write(session_)) carry_out_effects();
}

std::optional<Session::Time> Broker::wait_limit() const {
  auto until = session_.need(now_).again;
  const auto at = [&until](Session::Time time) { until = std::min(until.value_or(time), time); };
  if (const auto again = connections_.watch_again()) at(*again);
  if (const auto again = implicit_slot_.try_again()) at(*again);
  if (const auto again = slots_->again()) at(*again);
  if (const auto due = trace_.due()) at(*due);
  return until ? std::optional(*until - now_) : std::nullopt;
}

void Broker::handle(Poller::Tag tag) {
  const auto [source, client] = Connections::event_of(tag);
  switch (source) {
    case Source::kListener:
      accept_worker();
      break;
    case Source::kTokens:
      look_at_slots();
      break;
    case Source::kSocket:
      receive_from(client);
      break;
    case Source::kProcess:
      log_.client(now_, client, "has ended");
      session_.gone(client, now_);
      break;
    case Source::kClaim:  // settle() looks at it.
      break;
    case Source::kJob:
      implicit_slot_.job_ended(session_, now_);
      break;
  }
}

void Broker::look_at_slots() {
  slots_->look(now_);
  if (const std::size_t count = slots_->take_asked_back()) session_.asked_back(count, now_);
  if (std::string note = slots_->take_note(); !note.empty()) session_.note(std::move(note));
}

void Broker::accept_worker() {
  auto peer = connections_.accept(now_);
  if (!peer) return;
  const ClientId client = session_.connected(Connections::process_of(*peer));
  log_.client(now_, client, "connects from process", std::to_string(peer->pid()));
  connections_.add(client, std::move(*peer));
}

void Broker::receive_from(ClientId client) {
  for (int count = 0; count < (session_.tracing() ? kAtATime : 1); ++count) {
    const Peer::Received received = connections_.receive(client);
    if (received.closed) {
      log_.client(now_, client, "hangs up");
      session_.hung_up(client, now_);
    }
    if (!received.message) return;
    log_.client(now_, client, "says:", *received.message);
    session_.said(client, *received.message, now_);
  }
}

/// After each event: what follows from it, and what is free now.
void Broker::settle() {
  carry_out_effects();
  implicit_slot_.share(session_, now_);
  for (bool more = true; more;) {
    const bool taken = take_tokens();
    more = carry_out_effects() || taken;
  }
  if (slots_->is_settled(session_.need(now_))) {
    session_.starts_settled();
    carry_out_effects();
  }
}

/// For the trace, once a turn: to count costs a system call.
void Broker::record_free() {
  if (!session_.tracing()) return;
  if (const auto free = slots_->count()) session_.record_free(*free, now_);
}

/// Whether one was taken.
bool Broker::take_tokens() {
  const std::size_t to_take = session_.settle(slots_->free(session_.need(now_)), now_);
  for (std::size_t taken = 0; taken < to_take; ++taken) {
    const auto token = slots_->try_take();
    if (!token) {
      session_.settle(0, now_);  // Others were quicker.
      return taken > 0;
    }
    now_ = monotonic_now();  // Another session may have returned it since.
    log_.line(now_, "takes a token");
    session_.token(*token, now_);
  }
  return to_take > 0;
}

void Broker::give_back_all_tokens() {
  for (const char token : session_.tokens()) slots_->give_back(token);
  while (const auto effect = session_.next_effect()) {
    if (const auto* token = std::get_if<Session::Return>(&*effect)) carry_out(*token);
  }
  slots_->finish();
}

/// Whether there was any.
bool Broker::carry_out_effects() {
  bool any = false;
  while (const auto effect = session_.next_effect()) {
    any = true;
    std::visit([this](const auto& one) { carry_out(one); }, *effect);
  }
  return any;
}

void Broker::carry_out(const Session::Send& send) {
  std::string packet = to_packet(send.message);
  log_.client(now_, send.client, "is told:", packet);
  if (!connections_.send(send.client, std::move(packet))) session_.undelivered(send, now_);
}

void Broker::signal(ClientId client, int number) {
  log_.client(now_, client, "is sent signal", std::to_string(number));
  connections_.signal(client, number);
}

void Broker::carry_out(const Session::Examine& examine) {
  const auto processes = connections_.processes(examine.clients);
  const auto time = processes ? cpu_time_of_trees(*processes) : std::nullopt;
  session_.examined(time ? std::optional(Stall::Cpu{time->used, time->queued}) : std::nullopt,
                    now_);
}

void Broker::carry_out(const Session::Return& token) {
  log_.line(now_, "returns a token");
  slots_->give_back(token.token);
}

}  // namespace jobslots
