#pragma once

/// A session's side of the broker: who its clients are, what they may say, who has which job slot,
/// and what is told of it all. Pure: events in, effects out. It has no descriptor, no clock and no
/// thread, so that it can be tried without any, and one program can hold several.
///
/// The controller is client kController and there from the beginning; workers come and go. A client
/// has a connection, and a process, which may be watched or not. The controller's life is the
/// session's: when it says bye, the session is over once its workers have ended. When it dies, its
/// job slot, the implicit one, is make's again: the workers, whose results nobody reads any more,
/// are interrupted and served with tokens only until they have ended.
///
///     for each event: connected() | said() | hung_up() | gone() | token() | trace_opened() | ...
///     then:           settle() and token() as often as it asks for tokens
///     then:           next_effect() until there is none

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "session/journal.h"
#include "session/ledger.h"
#include "session/protocol.h"

namespace jobslots {

class Session {
 public:
  using ClientId = Ledger::ClientId;
  using Time = Ledger::Time;
  static constexpr ClientId kController = 0;

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
  /// The byte is to be written back to make.
  struct Return {
    char token;
  };
  /// A trace is to be opened: trace_opened() or trace_ended() is the answer.
  struct OpenTrace {
    std::string file;
  };
  using Effect = std::variant<Send, HangUp, Drop, Interrupt, Return, OpenTrace>;

  /// The process at the other end of a connection.
  struct Process {
    long pid = 0;          ///< 0 or less where it has no number here (another pid namespace).
    bool watched = false;  ///< Its end will be told by gone(), whatever becomes of its connection.
  };

  /// job_slots is N of make's -jN, 0 where make does not tell.
  Session(Process controller, unsigned job_slots)
      : controller_(controller), job_slots_(job_slots) {}

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
  void trace_opened(Time now);
  /// There is no trace, or no more of it.
  void trace_ended(std::string why);

  /// See Ledger::need().
  Ledger::Need need(Time now) const { return ledger_.need(now); }
  /// Uses what is free where so many tokens lie in make's jobserver. Returns how many tokens to
  /// read from make now, each for token(); 0 when nothing is left to do. See Ledger::settle().
  std::size_t settle(std::size_t tokens_free, Time now);

  std::optional<Effect> next_effect();

  /// The controller and all workers are gone: nobody is left to serve.
  bool over() const { return controller_over_ && ledger_.clients() == 0; }
  /// The tokens that have not been returned.
  std::string tokens() const { return ledger_.tokens(); }
  bool tracing() const { return journal_.tracing(); }
  /// While tracing: the tokens that lie in make's jobserver.
  void record_free(std::size_t tokens, Time now) { journal_.record_free(tokens, now); }
  /// See Journal::take_trace().
  std::string take_trace() { return journal_.take_trace(); }

 private:
  struct Worker {
    Process process;
    bool connected = true;
    bool greeted = false;
  };

  void hear_controller(const FromClient& message, Time now);
  void hear_worker(ClientId client, const FromClient& message, Time now);
  void greet(ClientId client, const message::Hello& hello, Time now);
  void send(ClientId client, ToClient message) { effects_.push_back(Send{client, message}); }
  void refuse(ClientId client, std::string why, Time now);
  void part(ClientId client, Time now);
  void forget(ClientId client, Time now);
  void controller_gone(Time now);
  void start(const std::string& name, Time now);
  void end_start(std::string_view name, Time now);
  void end_starts(Time now);
  void end_pending_starts(Time now);
  void send_sums(Time now);

  void add(const Ledger::Actions& actions) {
    actions_.insert(actions_.end(), actions.begin(), actions.end());
  }
  void finish(Time now);
  void carry_out(const Ledger::Action& action, Time now);

  Ledger ledger_;
  Journal journal_;
  Process controller_;
  unsigned job_slots_;
  bool controller_connected_ = true;
  bool controller_over_ = false;
  std::map<ClientId, Worker> workers_;
  /// Workers that the controller wants to start, until they say hello.
  std::map<std::string, ClientId, std::less<>> to_start_;
  ClientId next_id_ = kController + 1;
  std::string title_ = "pytest";
  bool sync_asked_ = false;
  std::deque<Ledger::Action> actions_;  ///< Of the event that is handled, not carried out yet.
  std::vector<ClientId> touched_;       ///< The clients that the event was about.
  std::deque<Effect> effects_;
};

}  // namespace jobslots
