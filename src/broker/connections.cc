#include "broker/connections.h"

#include <utility>

namespace jobslots {
namespace {

constexpr unsigned kSourceBits = 3;

}  // namespace

Poller::Tag Connections::tag_of(Source source, ClientId client) {
  return (client << kSourceBits) | static_cast<unsigned>(source);
}

Connections::Event Connections::event_of(Poller::Tag tag) {
  return {static_cast<Source>(tag & ((1U << kSourceBits) - 1)), tag >> kSourceBits};
}

Connections::Connections(Poller& poller, Rendezvous rendezvous)
    : poller_(poller), rendezvous_(std::move(rendezvous)) {}

void Connections::watch(Time now) {
  listener_.watch(poller_, rendezvous_.listening_fd(), tag_of(Source::kListener), now);
  const Peer* controller = find(Session::kController);
  if (controller == nullptr || !controller->connected()) return;
  poller_.watch(controller->socket_fd(), {.readable = true, .writable = !to_controller_.empty()},
                tag_of(Source::kSocket, Session::kController));
}

std::optional<Peer> Connections::accept(Time now) {
  return listener_.accept(rendezvous_.listening_fd(), now);
}

void Connections::add(ClientId client, Peer peer) {
  poller_.watch(peer.socket_fd(), kReadable, tag_of(Source::kSocket, client));
  if (peer.has_life_fd()) {
    poller_.watch(peer.life_fd(), kReadable, tag_of(Source::kProcess, client));
  }
  peers_.emplace(client, std::move(peer));
}

Peer::Received Connections::receive(ClientId client) {
  if (client == Session::kController) send_to_controller();
  Peer* peer = find(client);
  if (peer == nullptr || !peer->connected()) return {};
  return peer->receive(kMessageLimit);
}

/// The controller reads nothing while it asks for its starts: their answers may be more than its
/// socket holds.
bool Connections::send(ClientId client, std::string packet) {
  Peer* peer = find(client);
  if (client != Session::kController) return peer != nullptr && peer->send(packet);
  to_controller_.push_back(std::move(packet));
  send_to_controller();
  return true;
}

void Connections::send_to_controller() {
  Peer* controller = find(Session::kController);
  if (controller == nullptr || !controller->connected()) return;
  while (!to_controller_.empty() && controller->send(to_controller_.front())) {
    to_controller_.pop_front();
  }
}

void Connections::hang_up(ClientId client) {
  Peer* peer = find(client);
  if (peer == nullptr || !peer->connected()) return;
  poller_.unwatch(peer->socket_fd());
  peer->disconnect();
}

void Connections::drop(ClientId client) {
  hang_up(client);
  Peer* peer = find(client);
  if (peer == nullptr) return;
  if (peer->has_life_fd()) poller_.unwatch(peer->life_fd());
  peers_.erase(client);
  listener_.descriptor_freed();
}

void Connections::signal(ClientId client, int number) const {
  if (const auto peer = peers_.find(client); peer != peers_.end()) peer->second.signal(number);
}

std::optional<std::vector<pid_t>> Connections::processes(
    const std::vector<ClientId>& clients) const {
  std::vector<pid_t> pids;
  for (const ClientId client : clients) {
    const auto peer = peers_.find(client);
    if (peer == peers_.end() || peer->second.pid() <= 0) return std::nullopt;
    pids.push_back(peer->second.pid());
  }
  return pids;
}

Peer* Connections::find(ClientId client) {
  const auto peer = peers_.find(client);
  return peer == peers_.end() ? nullptr : &peer->second;
}

}  // namespace jobslots
