#pragma once

/// What the workers of a session did with its job slots: sums for the end of the run, and, where
/// one is asked for, a trace of it all.
///
/// It is told which workers there are and what they want a slot for, and after each event the state
/// that the ledger has for the clients that the event was about.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/ledger.h"
#include "session/trace_text.h"

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
  void begin_trace(TraceText trace) { trace_ = std::move(trace); }
  void end_trace() { trace_.reset(); }
  bool tracing() const { return trace_.has_value(); }
  /// Whether take_trace() would give any.
  bool has_trace() const { return trace_ && trace_->has_events(); }
  /// The trace's events since the last time, see TraceText::take().
  std::string take_trace() { return trace_ ? trace_->take() : std::string(); }

  /// The client is, or is to be, the worker of this name. A worker that connects again is another
  /// client with the same name.
  void set_worker(Ledger::ClientId client, const std::string& worker);
  /// The client that was to be started has come as another one.
  void replace_client(Ledger::ClientId from, Ledger::ClientId to);
  /// The client was to be started, and is not.
  void forget(Ledger::ClientId client) { clients_.erase(client); }
  /// What the client is about to want a slot for: "starting", "finishing" or "test NODEID".
  void set_work(Ledger::ClientId client, std::string_view work);
  /// How the work that the client has a slot for ended: the outcome of a test.
  void set_outcome(Ledger::ClientId client, std::string_view outcome);
  /// The work that the client has a slot for ended so, and it goes on with other work.
  void set_next(Ledger::ClientId client, std::string_view outcome, std::string_view work,
                Time then);
  /// The client is to go, but its worker has not died: it comes again as another one.
  void expect_return(Ledger::ClientId client) { clients_[client].returns = true; }

  /// After an event: the state of a client that it was about.
  void record(Ledger::ClientId client, Ledger::State state, Time now);
  struct Totals {
    std::size_t held = 0;     ///< How many have a slot, those included that have a lent one.
    std::size_t waiting = 0;  ///< How many wait for one.
    std::size_t lent = 0;     ///< How many work without a slot of the session's own.
  };
  /// After an event, and after all record().
  void record_totals(const Totals& totals, Time now);
  void count_lent() { ++lends_; }
  /// The tokens in make's jobserver.
  void record_free(std::size_t tokens, Time now);

  /// The most job slots in use at one moment.
  std::size_t most() const { return most_; }
  /// From when the first slot was taken to when the last one was free.
  Time span(Time now) const;
  /// How often a slot was lent, and how long somebody worked without one.
  std::size_t lends() const { return lends_; }
  Time lent_for(Time now) const {
    return lent_for_ + (totals_.lent > 0 ? now - lent_since_ : Time{});
  }
  /// The workers that have been started, in the order in which they were.
  std::vector<WorkerSums> worker_sums(Time now) const;

 private:
  enum class Doing { kNothing, kWaiting, kWorking };
  struct Client {
    unsigned worker = 0;  ///< Index into workers_.
    Doing doing = Doing::kNothing;
    Time since{};
    std::string work{trace::kStarting};
    std::string outcome;
    bool returns = false;  ///< See expect_return().
  };
  struct Worker {
    WorkerSums sums;
    bool in_trace = false;
  };

  void add_up(const Client& client, Time now);
  void trace_span(const Client& client, Time now);
  void count(const trace::Counter& counter, std::size_t before, std::size_t value, Time now);

  std::vector<Worker> workers_;  ///< Those also that are to be started.
  std::map<Ledger::ClientId, Client> clients_;
  std::size_t most_ = 0;
  std::optional<Time> first_;
  Time last_{};
  Totals totals_;
  std::size_t lends_ = 0;
  Time lent_since_{};
  Time lent_for_{};
  std::optional<std::size_t> free_;
  std::optional<TraceText> trace_;
};

}  // namespace jobslots
