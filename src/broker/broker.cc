#include "broker/broker.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "session/protocol.h"

namespace jobslots {
namespace {

Ledger::Time monotonic_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

constexpr unsigned kSourceBits = 3;

}  // namespace

Broker::Broker(Peer controller, TokenSource tokens, Rendezvous rendezvous)
    : tokens_(std::move(tokens)),
      rendezvous_(std::move(rendezvous)),
      controller_(std::move(controller)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  watch_listener();
  add_watch(controller_.socket_fd(), Source::kSocket, kController, EPOLLIN);
  if (controller_.has_life_fd()) {
    add_watch(controller_.life_fd(), Source::kLife, kController, EPOLLIN);
  }
}

void Broker::run() {
  while (!session_over()) {
    now_ = monotonic_now();
    begin_starts();
    write_journal();
    update_token_watches();
    std::array<epoll_event, 64> events{};
    const int count =
        epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t tag = events.at(static_cast<std::size_t>(i)).data.u64;
      dispatch(static_cast<Source>(tag & ((1U << kSourceBits) - 1)), tag >> kSourceBits);
    }
  }
  write_journal();
}

bool Broker::session_over() const {
  return controller_over_ && ledger_.clients() == 0 && returning_.empty();
}

void Broker::add_watch(int fd, Source source, Ledger::ClientId id, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = (id << kSourceBits) | static_cast<unsigned>(source);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Broker::remove_watch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

/// While nothing is wanted the jobserver is not watched at all: tokens that are there for others
/// would keep this process awake. While a worker waits, any token will do (level-triggered); while
/// one is to be started, those that are there may have to stay for others, and only a change counts
/// (edge-triggered, see epoll(7)).
void Broker::update_token_watches() {
  const bool writable = !returning_.empty();
  const bool one_fd = tokens_.read_fd() == tokens_.write_fd();
  Watch watch = Watch::kNone;
  if (tokens_.lost() || (one_fd && writable)) {
    // epoll knows a descriptor once: a fifo is watched for one purpose at a time, returning first.
    watch = Watch::kNone;
  } else if (ledger_.wants_token(now_)) {
    watch = Watch::kTokenThere;
  } else if (ledger_.wants_to_start()) {
    watch = Watch::kTokenComes;
  }
  if (readable_watch_ != watch && readable_watch_ != Watch::kNone) remove_watch(tokens_.read_fd());
  if (watching_writable_ && !writable) remove_watch(tokens_.write_fd());
  if (readable_watch_ != watch && watch != Watch::kNone) {
    const std::uint32_t events = watch == Watch::kTokenComes ? EPOLLIN | EPOLLET : EPOLLIN;
    add_watch(tokens_.read_fd(), Source::kTokenReadable, kController, events);
  }
  if (!watching_writable_ && writable) {
    add_watch(tokens_.write_fd(), Source::kTokenWritable, kController, EPOLLOUT);
  }
  readable_watch_ = watch;
  watching_writable_ = writable;
}

int Broker::timeout_ms() const {
  const auto deadline = ledger_.next_deadline(now_);
  if (!deadline) return -1;
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(std::max(*deadline - now_, Ledger::Time(0)))
          .count());
}

void Broker::dispatch(Source source, Ledger::ClientId id) {
  now_ = monotonic_now();
  switch (source) {
    case Source::kListener:
      accept_workers();
      break;
    case Source::kTokenReadable:
      take_tokens();
      break;
    case Source::kTokenWritable:
      return_tokens();
      break;
    case Source::kSocket:
      if (id == kController) {
        receive_from_controller();
      } else {
        receive_from(id);
      }
      break;
    case Source::kLife:
      if (id == kController) {
        controller_died();
      } else {
        forget(id);
      }
      break;
  }
}

void Broker::accept_workers() {
  const int fd =
      accept4(rendezvous_.listening_fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    // Short of descriptors: who connects stays readable at the listener, until a worker leaves.
    const bool short_of_them =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (short_of_them && !workers_.empty()) {
      remove_watch(rendezvous_.listening_fd());
      watching_listener_ = false;
    }
    return;
  }
  Peer peer{UniqueFd(fd)};
  if (!peer.same_user()) return;
  const Ledger::ClientId id = next_id_++;
  add_watch(peer.socket_fd(), Source::kSocket, id, EPOLLIN);
  if (peer.has_life_fd()) add_watch(peer.life_fd(), Source::kLife, id, EPOLLIN);
  workers_.emplace(id, Worker{std::move(peer)});
}

void Broker::watch_listener() {
  if (watching_listener_) return;
  add_watch(rendezvous_.listening_fd(), Source::kListener, kController, EPOLLIN);
  watching_listener_ = true;
}

void Broker::receive_from(Ledger::ClientId id) {
  const auto worker = workers_.find(id);
  if (worker == workers_.end() || !worker->second.peer.connected()) return;
  const Peer::Received received = worker->second.peer.receive(kMessageLimit);
  if (received.closed) {
    socket_closed(id);
  } else if (received.message) {
    handle(id, *received.message);
  }
}

void Broker::receive_from_controller() {
  send_to_controller();
  const Peer::Received received = controller_.receive(kMessageLimit);
  if (received.message) handle_controller(*received.message);
  if (!received.closed) return;
  remove_watch(controller_.socket_fd());
  controller_.disconnect();
  end_pending_starts();  // It cannot be told to begin them.
  if (!controller_.has_life_fd()) controller_died();
}

void Broker::handle_controller(const std::string& message) {
  const std::string argument = message.substr(std::min(message.find(' ') + 1, message.size()));
  if (message == "bye") {
    end_starts();
    controller_over_ = true;
  } else if (message == "sync") {
    begin_starts();
    tell_controller("synced");
  } else if (message.starts_with("start ") && !controller_over_) {
    cancel_start(argument);
    carry_out(ledger_.start(to_start_[argument] = next_id_++));
  } else if (message.starts_with("title ")) {
    title_ = argument;
  } else if (message.starts_with("trace ") && message.size() > kMessageLimit) {
    tell_controller("untraced its name is too long");
  } else if (message.starts_with("trace ")) {
    start_trace(argument);
  } else if (message == "sum") {
    send_sums();
  } else if (message.starts_with("cancel ")) {
    if (const auto entry = to_start_.find(argument); entry != to_start_.end()) {
      journal_.forget(entry->second);
    }
    cancel_start(argument);
  } else if (message.starts_with("ended ")) {
    cancel_start(argument);
  }
}

void Broker::tell_controller(std::string message) {
  to_controller_.push_back(std::move(message));
  send_to_controller();
}

/// The controller reads nothing while it asks for its starts: their answers may be more than its
/// socket holds.
void Broker::send_to_controller() {
  if (!controller_.connected()) return;
  while (!to_controller_.empty() && controller_.send(to_controller_.front())) {
    to_controller_.pop_front();
  }
  const bool writable = !to_controller_.empty();
  if (writable == watching_controller_writable_) return;
  remove_watch(controller_.socket_fd());
  add_watch(controller_.socket_fd(), Source::kSocket, kController,
            writable ? EPOLLIN | EPOLLOUT : EPOLLIN);
  watching_controller_writable_ = writable;
}

void Broker::write_journal() {
  if (const std::string why = journal_.flush(); !why.empty()) tell_controller("untraced " + why);
}

void Broker::start_trace(const std::string& file) {
  auto trace = Trace::open(file, controller_.pid());
  if (const auto* why = std::get_if<std::string>(&trace)) {
    tell_controller("untraced " + *why);
    return;
  }
  std::get<Trace>(trace).name_process(title_, tokens_.makeflags().job_slots.value_or(0));
  journal_.trace_to(std::get<Trace>(std::move(trace)));
  tell_controller("traced");
}

void Broker::send_sums() {
  for (const Journal::WorkerSums& worker : journal_.worker_sums(now_)) {
    tell_controller("worker " + worker.name + " " + std::to_string(worker.held.count()) + " " +
                    std::to_string(worker.waited.count()));
  }
  tell_controller("summed " + std::to_string(journal_.most()) + " " +
                  std::to_string(journal_.span(now_).count()));
}

void Broker::cancel_start(const std::string& name) {
  const auto entry = to_start_.find(name);
  if (entry == to_start_.end()) return;
  carry_out(ledger_.gone(entry->second, now_));
  to_start_.erase(entry);
}

void Broker::end_pending_starts() {
  std::vector<std::string> pending;
  for (const auto& [name, id] : to_start_) {
    if (ledger_.state_of(id) == Ledger::State::kToStart) pending.push_back(name);
  }
  for (const std::string& name : pending) cancel_start(name);
}

void Broker::end_starts() {
  while (!to_start_.empty()) cancel_start(std::string(to_start_.begin()->first));
}

void Broker::handle(Ledger::ClientId id, const std::string& message) {
  const std::string_view kind = std::string_view(message).substr(0, message.find(' '));
  const std::string_view argument =
      std::string_view(message).substr(std::min(kind.size() + 1, message.size()));
  const bool slot = kind == "want" || kind == "done";
  if (message.size() > kMessageLimit) {
    refuse(id, "longer than a message of this protocol");
  } else if (slot && !workers_.at(id).greeted) {
    refuse(id, "say hello first");
  } else if (kind == "want") {
    journal_.wants_for(id, argument);
    carry_out(ledger_.want(id, now_));
  } else if (kind == "done") {
    journal_.ended(id, argument);
    carry_out(ledger_.done(id, now_));
  } else if (kind == "hello") {
    // The name goes to the packet's end: that of `--tx popen//id=NAME` may hold blanks.
    const std::string role = std::to_string(kProtocolVersion) + " worker ";
    if (workers_.at(id).greeted) {
      refuse(id, "said hello already");
    } else if (argument.starts_with(role) && argument.size() > role.size()) {
      greet(id, std::string(argument.substr(role.size())));
    } else {
      refuse(id, "this broker speaks version " + std::to_string(kProtocolVersion) + " to workers");
    }
  } else {
    refuse(id, "not a message of this protocol");
  }
}

void Broker::greet(Ledger::ClientId id, const std::string& name) {
  Worker& worker = workers_.at(id);
  // A test may have closed the worker's socket, and the worker connects again: one process, one
  // client. What its lost connection held is free from here on. (All processes of other pid
  // namespaces have the number 0 here.)
  std::vector<Ledger::ClientId> earlier;
  for (const auto& [other_id, other] : workers_) {
    if (other_id != id && other.greeted && other.peer.pid() == worker.peer.pid() &&
        worker.peer.pid() > 0) {
      earlier.push_back(other_id);
    }
  }
  for (const Ledger::ClientId other : earlier) {
    journal_.comes_again(other);
    forget(other);
  }
  worker.greeted = true;
  if (const auto started = to_start_.find(name); started != to_start_.end()) {
    journal_.rename(started->second, id);
    carry_out(ledger_.join_as(id, started->second, now_));
    to_start_.erase(started);
  } else {
    carry_out(ledger_.join(id));
  }
  journal_.name(id, name);
  const std::string welcome = "welcome " + std::to_string(kProtocolVersion);
  if (!worker.peer.send(journal_.tracing() ? welcome + " trace" : welcome)) forget(id);
}

/// The process may live on: then a test has closed its socket, and the worker still works on its
/// slot.
void Broker::socket_closed(Ledger::ClientId id) {
  Worker& worker = workers_.at(id);
  const Ledger::State state = ledger_.state_of(id);
  const bool has_slot = state == Ledger::State::kHolding || state == Ledger::State::kStarting;
  if (worker.peer.has_life_fd() && has_slot) {
    remove_watch(worker.peer.socket_fd());
    worker.peer.disconnect();
  } else {
    forget(id);
  }
}

void Broker::refuse(Ledger::ClientId id, const std::string& why) {
  const auto worker = workers_.find(id);
  if (worker == workers_.end()) return;
  worker->second.peer.send("refused " + why);
  socket_closed(id);
}

void Broker::forget(Ledger::ClientId id) {
  workers_.erase(id);  // Closing the descriptors ends their watches, see epoll(7).
  watch_listener();    // Where it was short of descriptors.
  carry_out(ledger_.gone(id, now_));
}

void Broker::controller_died() {
  if (controller_.has_life_fd()) remove_watch(controller_.life_fd());
  controller_over_ = true;
  end_starts();
  carry_out(ledger_.implicit_slot_lost(now_));
  for (const auto& [id, worker] : workers_) {
    if (worker.greeted) worker.peer.signal(SIGINT);
  }
}

void Broker::take_tokens() {
  while (ledger_.wants_token(now_)) {
    const auto token = tokens_.try_take();
    if (!token) return;
    now_ = monotonic_now();  // Another session may have returned it since.
    carry_out(ledger_.token_read(*token, now_));
  }
}

int Broker::free_tokens() const {
  if (const auto count = tokens_.tokens_available()) return *count;
  pollfd readable{tokens_.read_fd(), POLLIN, 0};  // A device that cannot count.
  return poll(&readable, 1, 0) == 1 ? 1 : 0;
}

/// Lets workers be started that the controller has asked for, as far as there are slots for them.
void Broker::begin_starts() {
  while (ledger_.wants_to_start() &&
         ledger_.may_start(static_cast<std::size_t>(free_tokens()), now_)) {
    if (ledger_.implicit_slot_free()) {
      carry_out(ledger_.start_on_implicit_slot());
    } else if (const auto token = tokens_.try_take()) {
      now_ = monotonic_now();
      carry_out(ledger_.token_read(*token, now_));
    } else {
      return;
    }
  }
}

void Broker::return_tokens() {
  while (!returning_.empty() && tokens_.try_return(returning_.front())) returning_.pop_front();
}

void Broker::carry_out(const Ledger::Actions& actions) {
  for (const Ledger::Action& action : actions) {
    if (const auto* grant = std::get_if<Ledger::Grant>(&action)) {
      const auto worker = workers_.find(grant->client);
      if (worker == workers_.end() || !worker->second.peer.send("grant")) forget(grant->client);
    } else if (const auto* begin = std::get_if<Ledger::Begin>(&action)) {
      const auto worker = std::ranges::find_if(
          to_start_, [begin](const auto& entry) { return entry.second == begin->client; });
      journal_.name(begin->client, worker->first);
      tell_controller("begin " + worker->first);
    } else if (const auto* token = std::get_if<Ledger::ReturnToken>(&action)) {
      returning_.push_back(token->token);
    } else {
      const auto& refused = std::get<Ledger::Refuse>(action);
      refuse(refused.client, refused.why);
    }
  }
  return_tokens();
  const auto free = journal_.tracing() ? tokens_.tokens_available() : std::nullopt;
  journal_.look(ledger_, free, now_);
}

}  // namespace jobslots
