#pragma once

/// The broker: the one process of a pytest session that talks to make. It holds every token that
/// the session has taken, and gives job slots to the session's workers.
///
/// No user code runs in it, so nothing that a test does can lose a token. A worker that dies is
/// seen through its pidfd and its socket, and its slot is free again at once. The broker lives as
/// long as the controller or a worker does, and returns every token before it ends.
///
/// Orderly end: the controller says bye, the workers end, the broker returns what it holds and
/// ends. Controller killed: its job slot, the implicit one, is make's again. The broker sends
/// SIGINT to the workers, whose results nobody reads any more, and serves them with tokens only
/// until they have ended.

#include <chrono>
#include <deque>
#include <map>
#include <string>

#include "jobslots/token_source.h"
#include "session/journal.h"
#include "session/ledger.h"
#include "system/peer.h"
#include "system/rendezvous.h"

namespace jobslots {

class Broker {
 public:
  /// controller is the connected socket of the session's controller, which has said hello already.
  Broker(Peer controller, TokenSource tokens, Rendezvous rendezvous);

  /// Serves until the session has ended.
  void run();

 private:
  enum class Source : unsigned { kListener, kTokenReadable, kTokenWritable, kSocket, kLife };
  static constexpr Ledger::ClientId kController = 0;  ///< Not a client of the ledger.

  struct Worker {
    Peer peer;
    bool greeted = false;
  };

  bool session_over() const;
  int free_tokens() const;
  void add_watch(int fd, Source source, Ledger::ClientId id, std::uint32_t events);
  void remove_watch(int fd);
  void update_token_watches();
  int timeout_ms() const;
  void dispatch(Source source, Ledger::ClientId id);

  void accept_workers();
  void watch_listener();
  void receive_from(Ledger::ClientId id);
  void receive_from_controller();
  void handle_controller(const std::string& message);
  void write_journal();
  void start_trace(const std::string& file);
  void send_sums();
  void tell_controller(std::string message);
  void send_to_controller();
  void cancel_start(const std::string& name);
  void end_pending_starts();
  void end_starts();
  void handle(Ledger::ClientId id, const std::string& message);
  void greet(Ledger::ClientId id, const std::string& name);
  void socket_closed(Ledger::ClientId id);
  void refuse(Ledger::ClientId id, const std::string& why);
  void forget(Ledger::ClientId id);
  void controller_died();

  void take_tokens();
  void begin_starts();
  void return_tokens();
  void carry_out(const Ledger::Actions& actions);

  /// When the event came that is being handled. What it leads to counts from then on: a slot is
  /// held a little longer in the trace than the worker used it, never shorter.
  Ledger::Time now_{};
  Ledger ledger_;
  TokenSource tokens_;
  std::deque<char> returning_;  ///< Tokens that make's pipe has not taken back yet.
  Rendezvous rendezvous_;
  Peer controller_;
  std::deque<std::string> to_controller_;  ///< Messages that its socket has not taken yet.
  bool controller_over_ = false;
  std::map<Ledger::ClientId, Worker> workers_;
  /// Workers that the controller wants to start, by name, until they say hello.
  std::map<std::string, Ledger::ClientId, std::less<>> to_start_;
  Ledger::ClientId next_id_ = kController + 1;
  Journal journal_;
  std::string title_ = "pytest";
  UniqueFd epoll_;
  enum class Watch { kNone, kTokenThere, kTokenComes };
  Watch readable_watch_ = Watch::kNone;
  bool watching_writable_ = false;
  bool watching_listener_ = false;
  bool watching_controller_writable_ = false;
};

}  // namespace jobslots
