#pragma once

/// The broker's clients as the system knows them: the place where they connect, their sockets and
/// their processes, each watched by the poller. The numbers are the session's.

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session/session.h"
#include "system/listener.h"
#include "system/peer.h"
#include "system/poller.h"
#include "system/rendezvous.h"

namespace jobslots {

class Connections {
 public:
  using ClientId = Session::ClientId;
  using Time = Session::Time;

  /// What is known of a watched descriptor by its tag.
  enum class Source : unsigned { kListener, kTokens, kSocket, kProcess, kClaim, kJob };
  struct Event {
    Source source;
    ClientId client;
  };
  static Poller::Tag tag_of(Source source, ClientId client = 0);
  static Event event_of(Poller::Tag tag);
  static Session::Process process_of(const Peer& peer) { return {peer.pid(), peer.has_life_fd()}; }

  /// The poller must outlive this.
  Connections(Poller& poller, Rendezvous rendezvous);

  /// Watches what changes from turn to turn. Throws as Poller::watch() does, and so does add().
  void watch(Time now);
  /// When watch() is to be called again though nothing has happened.
  std::optional<Time> watch_again() const { return listener_.watch_again(); }

  /// Who connects, if it is the same user, and there are descriptors for it. add() keeps it.
  std::optional<Peer> accept(Time now);
  void add(ClientId client, Peer peer);

  Peer::Received receive(ClientId client);
  /// False where the client does not take it. What the controller does not take yet is kept for it.
  bool send(ClientId client, std::string packet);
  void hang_up(ClientId client);
  void drop(ClientId client);
  void signal(ClientId client, int number) const;
  /// The numbers of the clients' processes; nothing where one has none here.
  std::optional<std::vector<pid_t>> processes(const std::vector<ClientId>& clients) const;

 private:
  Peer* find(ClientId client);
  void send_to_controller();

  Poller& poller_;
  std::map<ClientId, Peer> peers_;
  Rendezvous rendezvous_;                  ///< Gone before the controller sees its connection end.
  std::deque<std::string> to_controller_;  ///< Packets that its socket has not taken yet.
  Listener listener_;
};

}  // namespace jobslots
