#include "broker.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <vector>

#include "protocol.h"

namespace jobslots {
namespace {

Ledger::Time now() { return std::chrono::steady_clock::now().time_since_epoch(); }

constexpr unsigned kSourceBits = 3;

}  // namespace

Broker::Broker(Peer controller, TokenSource tokens, Rendezvous rendezvous)
    : tokens_(std::move(tokens)),
      rendezvous_(std::move(rendezvous)),
      controller_(std::move(controller)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  add_watch(rendezvous_.listening_fd(), Source::kListener, kController);
  add_watch(controller_.socket_fd(), Source::kSocket, kController);
  if (controller_.has_life_fd()) add_watch(controller_.life_fd(), Source::kLife, kController);
}

void Broker::run() {
  while (!session_over()) {
    update_token_watches();
    std::array<epoll_event, 64> events{};
    const int count =
        epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t tag = events.at(static_cast<std::size_t>(i)).data.u64;
      dispatch(static_cast<Source>(tag & ((1U << kSourceBits) - 1)), tag >> kSourceBits);
    }
  }
}

bool Broker::session_over() const {
  return controller_over_ && ledger_.clients() == 0 && returning_.empty();
}

void Broker::add_watch(int fd, Source source, Ledger::ClientId id, bool for_writing) {
  epoll_event event{};
  event.events = for_writing ? EPOLLOUT : EPOLLIN;
  event.data.u64 = (id << kSourceBits) | static_cast<unsigned>(source);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Broker::remove_watch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

/// While nothing is wanted the jobserver is not watched at all: it is level-triggered, and tokens
/// that are there for others would keep this process awake.
void Broker::update_token_watches() {
  const bool readable = ledger_.wants_token(now()) && !tokens_.lost();
  const bool writable = !returning_.empty();
  const bool one_fd = tokens_.read_fd() == tokens_.write_fd();
  // epoll knows a descriptor once: a fifo is watched for one purpose at a time, returning first.
  const bool watch_readable = readable && !(one_fd && writable);
  if (watching_readable_ && !watch_readable) remove_watch(tokens_.read_fd());
  if (watching_writable_ && !writable) remove_watch(tokens_.write_fd());
  if (!watching_readable_ && watch_readable) {
    add_watch(tokens_.read_fd(), Source::kTokenReadable, kController);
  }
  if (!watching_writable_ && writable) {
    add_watch(tokens_.write_fd(), Source::kTokenWritable, kController, true);
  }
  watching_readable_ = watch_readable;
  watching_writable_ = writable;
}

int Broker::timeout_ms() const {
  const auto deadline = ledger_.next_deadline(now());
  if (!deadline) return -1;
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(std::max(*deadline - now(), Ledger::Time(0)))
          .count());
}

void Broker::dispatch(Source source, Ledger::ClientId id) {
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
  if (fd < 0) return;
  Peer peer{UniqueFd(fd)};
  if (!peer.same_user()) return;
  const Ledger::ClientId id = next_id_++;
  add_watch(peer.socket_fd(), Source::kSocket, id);
  if (peer.has_life_fd()) add_watch(peer.life_fd(), Source::kLife, id);
  workers_.emplace(id, Worker{std::move(peer)});
}

void Broker::receive_from(Ledger::ClientId id) {
  const auto worker = workers_.find(id);
  if (worker == workers_.end() || !worker->second.peer.connected()) return;
  const Peer::Received received = worker->second.peer.receive();
  if (received.closed) {
    socket_closed(id);
  } else if (received.message) {
    handle(id, *received.message);
  }
}

void Broker::receive_from_controller() {
  const Peer::Received received = controller_.receive();
  if (received.message == "bye") controller_over_ = true;
  if (!received.closed) return;
  remove_watch(controller_.socket_fd());
  controller_.disconnect();
  if (!controller_.has_life_fd()) controller_died();
}

void Broker::handle(Ledger::ClientId id, const std::string& message) {
  if (message == "want") {
    carry_out(ledger_.want(id, now()));
  } else if (message == "done") {
    carry_out(ledger_.done(id, now()));
  } else if (message.starts_with("hello ") && message.size() <= kMessageLimit) {
    std::istringstream words(message);
    std::string hello;
    std::string role;
    int version = 0;
    if (workers_.at(id).greeted) {
      refuse(id, "said hello already");
    } else if (words >> hello >> version >> role && version == kProtocolVersion &&
               role == "worker") {
      greet(id);
    } else {
      refuse(id, "this broker speaks version " + std::to_string(kProtocolVersion) + " to workers");
    }
  } else {
    refuse(id, "not a message of this protocol");
  }
}

void Broker::greet(Ledger::ClientId id) {
  Worker& worker = workers_.at(id);
  // A test may have closed the worker's socket, and the worker connects again: one process, one
  // client. What its lost connection held is free from here on.
  std::vector<Ledger::ClientId> earlier;
  for (const auto& [other_id, other] : workers_) {
    if (other_id != id && other.greeted && other.peer.pid() == worker.peer.pid()) {
      earlier.push_back(other_id);
    }
  }
  for (const Ledger::ClientId other : earlier) forget(other);
  worker.greeted = true;
  carry_out(ledger_.join(id));
  if (!worker.peer.send("welcome " + std::to_string(kProtocolVersion))) forget(id);
}

/// The process may live on: then a test has closed its socket, and the worker still works on its
/// slot.
void Broker::socket_closed(Ledger::ClientId id) {
  Worker& worker = workers_.at(id);
  if (worker.peer.has_life_fd() && ledger_.state_of(id) == Ledger::State::kHolding) {
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
  carry_out(ledger_.gone(id, now()));
}

void Broker::controller_died() {
  if (controller_.has_life_fd()) remove_watch(controller_.life_fd());
  controller_over_ = true;
  carry_out(ledger_.implicit_slot_lost(now()));
  for (const auto& [id, worker] : workers_) {
    if (worker.greeted) worker.peer.signal(SIGINT);
  }
}

void Broker::take_tokens() {
  while (ledger_.wants_token(now())) {
    const auto token = tokens_.try_take();
    if (!token) return;
    carry_out(ledger_.token_read(*token, now()));
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
    } else if (const auto* token = std::get_if<Ledger::ReturnToken>(&action)) {
      returning_.push_back(token->token);
    } else {
      const auto& refused = std::get<Ledger::Refuse>(action);
      refuse(refused.client, refused.why);
    }
  }
  return_tokens();
}

}  // namespace jobslots
