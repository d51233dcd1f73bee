#pragma once

/// The broker: the one process of a pytest session that talks to make, or to a pool. It holds every
/// token that the session has taken, and gives job slots to the session's workers.
///
/// No user code runs in it, so nothing that a test does can lose a token. A worker that dies is
/// seen through its pidfd and its socket, and its slot is free again at once. The broker lives as
/// long as the controller or a worker does, and returns every token before it ends.
///
/// This is the loop. What an event means is the Session's to say.

#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include "broker/connections.h"
#include "broker/implicit_slot.h"
#include "broker/log.h"
#include "broker/session_trace.h"
#include "broker/slots.h"
#include "session/session.h"
#include "system/poller.h"

namespace jobslots {

class Broker {
 public:
  /// controller is the connected socket of the session's controller, which has said hello already;
  /// folder is where it was started.
  Broker(Peer controller, Slots slots, Rendezvous rendezvous, Poller poller, Log log,
         std::string folder);
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  /// Serves until the session has ended. False where the system fails it before: then the tokens
  /// are returned, and the workers go on without it.
  bool run();

 private:
  using ClientId = Session::ClientId;
  using Source = Connections::Source;
  /// Messages of one client, of those that have gathered, before others have their turn.
  static constexpr int kAtATime = 64;

  void serve();
  std::optional<Session::Time> wait_limit() const;
  void handle(Poller::Tag tag);
  void accept_worker();
  void receive_from(ClientId client);
  void look_at_slots();
  void settle();
  void record_free();
  bool take_tokens();

  void give_back_all_tokens();

  bool carry_out_effects();
  void signal(ClientId client, int number);
  void carry_out(const Session::Send& send);
  void carry_out(const Session::HangUp& hang_up) { connections_.hang_up(hang_up.client); }
  void carry_out(const Session::Drop& drop) { connections_.drop(drop.client); }
  void carry_out(const Session::Interrupt& interrupt) { signal(interrupt.client, SIGINT); }
  void carry_out(const Session::Kill& kill) { signal(kill.client, SIGKILL); }
  void carry_out(const Session::Examine& examine);
  void carry_out(const Session::Return& token);
  void carry_out(const Session::SetTitle& set) { slots_->set_title(set.title); }
  void carry_out(const Session::OpenTrace& trace) { trace_.open(session_, trace.file, now_); }

  Session::Time now_;  ///< When the event came that is being handled.
  Log log_;
  Session session_;
  Poller poller_;
  std::unique_ptr<SlotSource> slots_;
  Connections connections_;
  ImplicitSlot implicit_slot_;
  std::optional<Peer> controller_;  ///< Until it is one of the connections.

  SessionTrace trace_;
};

}  // namespace jobslots
