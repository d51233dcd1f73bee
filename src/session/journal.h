#pragma once

/// What the workers of a session did with its job slots: sums for the end of the run, and, where
/// one is asked for, a trace of it all.
///
/// It is told which workers there are and what they want a slot for, and looks at the ledger after
/// each event: what has changed since the last look, changed then.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/ledger.h"
#include "session/trace.h"

namespace jobslots {

class Journal {
 public:
  using Time = Ledger::Time;

  struct WorkerSums {
    std::string name;
    Time held{};    ///< How long it had a slot.
    Time waited{};  ///< How long it waited for one.
  };

  /// Everything that happens from now on goes to the trace too.
  void trace_to(Trace trace) { trace_ = std::move(trace); }
  bool tracing() const { return trace_.has_value(); }

  /// The client is, or is to be, the worker of this name. A worker that connects again is another
  /// client with the same name.
  void name(Ledger::ClientId client, const std::string& worker);
  /// The client that was to be started has come as another one.
  void rename(Ledger::ClientId from, Ledger::ClientId to);
  /// The client was to be started, and is not.
  void forget(Ledger::ClientId client) { clients_.erase(client); }
  /// What the client is about to want a slot for: "starting", "finishing" or "test NODEID".
  void wants_for(Ledger::ClientId client, std::string_view work);
  /// How the work that the client has a slot for ended: the outcome of a test.
  void ended(Ledger::ClientId client, std::string_view outcome);
  /// The client is to go, but its worker has not died: it comes again as another one.
  void comes_again(Ledger::ClientId client) { clients_[client].lives = true; }

  /// To be called after each event. tokens_free: those in make's jobserver, if it can tell.
  void look(const Ledger& ledger, std::optional<int> tokens_free, Time now);

  /// The most job slots in use at one moment.
  std::size_t most() const { return most_; }
  /// From when the first slot was taken to when the last one was free.
  Time span(Time now) const;
  /// The workers that have been started, in the order in which they were.
  std::vector<WorkerSums> worker_sums(Time now) const;

  /// Writes the trace as far as it is known. A text says why this failed: there is no trace any
  /// more.
  std::string flush();

 private:
  enum class Doing { kNothing, kWaiting, kWorking };
  struct Client {
    unsigned worker = 0;  ///< Index into workers_.
    Doing doing = Doing::kNothing;
    Time since{};
    std::string work = "starting";
    std::string outcome;
    bool lives = false;  ///< Also when the client has gone.
  };
  struct Worker {
    WorkerSums sums;
    bool in_trace = false;
  };
  struct Counters {
    std::size_t held = 0;
    std::size_t waiting = 0;
    std::optional<int> free;
  };

  void end_of(const Client& client, Time now);
  void look_at(Client& client, Ledger::State state, Time now);
  void count(const Counters& counters, Time now);

  std::vector<Worker> workers_;  ///< Those also that are to be started.
  std::map<Ledger::ClientId, Client> clients_;
  std::size_t most_ = 0;
  std::optional<Time> first_;
  Time last_{};
  Counters counters_;
  std::optional<Trace> trace_;
};

}  // namespace jobslots
