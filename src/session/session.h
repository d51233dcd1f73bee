#pragma once

/// A session's side of the broker: who its clients are, what they may say, who has which job slot,
/// and what is told of it all. Pure: events in, effects out. It has no descriptor, no clock and no
/// thread, so that it can be tried without any, and one program can hold several.
///
/// The controller is client kController and there from the beginning; workers come and go. A client
/// has a connection, and a process, which may be watched or not. The controller's life is the
/// session's: when it says bye, or its connection closes, the session is over once its workers have
/// ended. When it dies, its job slot, the implicit one, is make's again: the workers, whose results
/// nobody reads any more, are interrupted and served with tokens only until they have ended; what
/// they have set up they tear down without waiting for a slot.
///
/// A remote worker is on another machine: its connection is one that the controller has made for
/// it, and its life is that of this connection. What it does there is not seen.
///
/// An observer is a client that is no worker: it asks once what the session does, is answered, and
/// dropped. Which tests run is the controller's to say, and what it has not said within
/// kPatienceOfObservers is left out.
///
///     for each event: connected() | said() | hung_up() | gone() | token() | trace_opened() | ...
///     then:           settle() and token() as often as it asks for tokens
///     then:           next_effect() until there is none

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "session/journal.h"
#include "session/ledger.h"
#include "session/protocol.h"
#include "session/stall.h"
#include "session/status.h"

namespace jobslots {

class Session {
 public:
  using ClientId = Ledger::ClientId;
  using Time = Ledger::Time;
  static constexpr ClientId kController = 0;
  /// A remote worker may keep its slot so many times longer than it takes to ask it and be
  /// answered, than one that is here, as each hand-over costs that time; but not for ever.
  static constexpr int kWorthOfJourney = 20;
  static constexpr Time kLongestGrace = std::chrono::seconds(5);
  static constexpr Time kPatienceOfObservers = std::chrono::milliseconds(500);

  /// The client is to be told this.
  struct Send {
    ClientId client;
    ToClient message;
  };
  /// The client's connection is to be closed. Its process is watched on.
  struct HangUp {
    ClientId client;
  };
  /// The client is forgotten: its connection is to be closed, its process not watched any more.
  struct Drop {
    ClientId client;
  };
  /// The client's process is to be sent SIGINT.
  struct Interrupt {
    ClientId client;
  };
  /// The client's process is to be ended.
  struct Kill {
    ClientId client;
  };
  /// The CPU time is to be found out that these clients have used: examined() is the answer.
  struct Examine {
    std::vector<ClientId> clients;
  };
  /// The byte is to be written back to make.
  struct Return {
    char token;
  };
  /// What the session is called.
  struct SetTitle {
    std::string title;
  };
  /// A trace is to be opened: trace_opened() or trace_ended() is the answer.
  struct OpenTrace {
    std::string file;
  };
  using Effect =
      std::variant<Send, HangUp, Drop, Interrupt, Kill, Examine, Return, SetTitle, OpenTrace>;

  /// The process at the other end of a connection.
  struct Process {
    long pid = 0;          ///< 0 or less where it has no number here (another pid namespace).
    bool watched = false;  ///< Its end will be told by gone(), whatever becomes of its connection.
  };

  /// What is told of the session to who asks.
  struct About {
    std::string folder;
    std::string pool;  ///< The folder of the pool that its slots are from.
  };

  /// job_slots is N of make's -jN or of the pool, 0 where that is not known. For courtesy see
  /// Ledger.
  Session(Process controller, unsigned job_slots, bool has_implicit_slot = true,
          bool courtesy = true, About about = {})
      : ledger_(has_implicit_slot, courtesy),
        controller_(controller),
        job_slots_(job_slots),
        about_(std::move(about)) {}

  // Events. now is what the caller says it is (any steady clock, never going back).

  /// Somebody has connected. The number is the client's from now on.
  ClientId connected(Process process);
  void said(ClientId client, std::string_view packet, Time now);
  /// The connection has closed. The process may live on: then a test has closed its socket.
  void hung_up(ClientId client, Time now);
  /// The process has ended.
  void gone(ClientId client, Time now);
  /// A message could not be sent: the client does not read, or its connection has just closed.
  void undelivered(const Send& send, Time now);
  /// A token was read from make.
  void token(char token, Time now);
  /// Who gave the tokens wants so many back.
  void asked_back(std::size_t count, Time now);
  /// Every start has begun for which there is a slot.
  void starts_settled();
  /// Something about the slots that people are to know.
  void note(std::string text) { send(kController, message::Note{std::move(text)}); }
  /// The implicit slot is this session's, or is no more: the job it belongs to has ended, or it was
  /// given up to another session of the job.
  void implicit_slot_gained(Time now);
  void implicit_slot_lost(Time now);
  /// The CPU time that the clients of Examine have used in their lives, with all that they have
  /// started; nothing where it cannot be known.
  void examined(std::optional<Stall::Cpu> cpu, Time now);
  void trace_opened(Time now);
  /// There is no trace, or no more of it.
  void trace_ended(std::string why);

  /// See Ledger::need(). Also says when an observer is to be answered without the controller.
  Ledger::Need need(Time now) const;
  /// Uses what is free where so many tokens lie in make's jobserver. Returns how many tokens to
  /// read from make now, each for token(); 0 when nothing is left to do. See Ledger::settle().
  std::size_t settle(std::size_t tokens_free, Time now);

  std::optional<Effect> next_effect();

  /// The controller and all workers are gone: nobody is left to serve.
  bool over() const { return controller_over_ && ledger_.clients() == 0; }
  /// See Ledger::all_keep().
  bool all_keep() const { return ledger_.all_keep(); }
  /// Whether there is something to do for the implicit slot, which the session does not have.
  bool wants_implicit_slot() const;
  /// Whether the implicit slot may go to another session of the job: here it is of no use now.
  bool can_spare_implicit_slot() const;
  /// How many work on a slot that is lent, or was on the implicit one when that was lost.
  std::size_t uncovered() const { return ledger_.uncovered(); }
  /// The tokens that have not been returned.
  std::string tokens() const { return ledger_.tokens(); }
  bool tracing() const { return journal_.tracing(); }
  /// While tracing: the tokens that lie in make's jobserver.
  void record_free(std::size_t tokens, Time now) { journal_.record_free(tokens, now); }
  /// See Journal.
  bool has_trace() const { return journal_.has_trace(); }
  std::string take_trace() { return journal_.take_trace(); }

 private:
  struct Worker {
    Process process;
    bool connected = true;
    bool greeted = false;
    std::string name{};
    bool remote = false;
    std::optional<Time> welcomed{};  ///< Of a remote one that has not answered yet.
  };
  struct Seen {
    Ledger::State state;
    Time since;  ///< It has been so.
  };

  void hear_controller(const FromClient& message, Time now);
  void hear_worker(ClientId client, const FromClient& message, Time now);
  void hear_want(ClientId client, const message::Want& want, Time now);
  void greet(ClientId client, const message::Hello& hello, Time now);
  void send(ClientId client, ToClient message);
  void refuse(ClientId client, std::string why, Time now);
  void part(ClientId client, Time now);
  void forget(ClientId client, Time now);
  void bye(Time now);
  void controller_gone(Time now);
  void start(const std::string& name, Time now);
  void end_start(std::string_view name, Time now);
  void end_starts(Time now);
  const std::string& name_to_start(ClientId client) const;
  void send_sums(Time now);
  void lose(std::string_view name, Time now);
  void observe(ClientId client, Time now);
  void answer_observers(bool tests_known, Time now);
  SessionStatus status(bool tests_known, Time now) const;
  bool has_slot(ClientId client) const;
  bool may_stall() const;
  void examine(Time now);
  void lend(Time now);

  void add(const Ledger::Actions& actions) {
    actions_.insert(actions_.end(), actions.begin(), actions.end());
  }
  void finish(Time now);
  void see(ClientId client, Ledger::State state, Time now);
  void carry_out(const Ledger::Action& action, Time now);

  Ledger ledger_;
  Journal journal_;
  Process controller_;
  unsigned job_slots_;
  About about_;
  bool controller_connected_ = true;
  bool controller_over_ = false;
  std::map<ClientId, Worker> workers_;
  /// Workers that the controller wants to start, until they say hello.
  std::map<std::string, ClientId, std::less<>> to_start_;
  std::map<ClientId, Seen> seen_;  ///< Of the ledger's clients.
  std::set<ClientId> observers_;
  Time observers_until_{};            ///< They wait for the controller.
  std::vector<message::Runs> runs_;   ///< What it has said of its tests so far.
  bool controller_is_asked_ = false;  ///< It has not told them all yet.
  ClientId next_id_ = kController + 1;
  std::string title_ = "pytest";
  bool sync_asked_ = false;
  bool controller_gone_ = false;
  Stall stall_;
  bool examining_ = false;
  bool has_stalled_ = false;
  std::deque<Ledger::Action> actions_;  ///< Of the event that is handled, not carried out yet.
  std::vector<ClientId> touched_;       ///< The clients that the event was about.
  std::deque<Effect> effects_;
};

}  // namespace jobslots
