/// A fleet of sessions that share one jobserver, in virtual time: what the ledger's constants do to
/// the share of slots in use, to waiting, and to fairness.
///
/// The sessions are ledgers as brokers have them, without implicit slots: all they have are tokens
/// of one jobserver. Their workers always have a next test; how long it takes is drawn from a file
/// of real ones. They keep their slots until they are asked to yield. A make beside them always has
/// a next target of 100 ms to start.
///
/// A token that is written to the jobserver wakes all who want one. Who is first is drawn: it takes
/// what it wants of the tokens that are there kWakeUp later, unless another one looks before.
///
/// Usage: fleet DURATIONS [YIELD-AFTER HAND-OVER-LIMIT COURTESY-PAUSE TOO-SOON-FOR-MAKE]...
/// DURATIONS: microseconds, separated by white space. The others are in microseconds too: for each
/// four of them a line of JSON is written.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "session/ledger.h"

namespace {

using jobslots::Ledger;
using Time = Ledger::Time;

/// What the ledger's constants are in this run.
struct Constants {
  Time yield_after = Ledger::kYieldAfter;
  Time hand_over_limit = Ledger::kHandOverLimit;
  Time courtesy_pause = Ledger::kCourtesyPause;
  Time too_soon_for_make = Ledger::kTooSoonForMake;
} constants;

}  // namespace

// The ledger is compiled anew here, with variables in place of its constants.
#define kYieldAfter constants.yield_after
#define kHandOverLimit constants.hand_over_limit
#define kCourtesyPause constants.courtesy_pause
#define kTooSoonForMake constants.too_soon_for_make
#include "session/ledger.cc"
#undef kYieldAfter
#undef kHandOverLimit
#undef kCourtesyPause
#undef kTooSoonForMake

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kSessions = 1000;
constexpr Ledger::ClientId kWorkers = 64;
constexpr std::size_t kSlots = 512;
/// What a worker does between two tests: reports, and what it says to the controller.
constexpr Time kBetweenTests = microseconds(300);
/// From a token's return until one who waits for it runs.
constexpr Time kWakeUp = microseconds(10);
constexpr Time kTarget = milliseconds(100);
/// The figures are of what happens between these.
constexpr Time kBegin = seconds(2);
constexpr Time kEnd = seconds(62);

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

/// The part of a span that counts.
Time counted(Time begin, Time end) {
  return std::max(Time::zero(), std::min(end, kEnd) - std::max(begin, kBegin));
}

/// The number of the make among those that want tokens.
constexpr std::size_t kMake = kSessions;

struct Event {
  enum class Kind { kLook, kWant, kNextTest, kTargetEnds };
  Time time;
  std::uint64_t number;  ///< Of two events at the same time the older one comes first.
  Kind kind;
  std::size_t session;
  Ledger::ClientId worker;

  bool operator>(const Event& other) const {
    return std::pair(time, number) > std::pair(other.time, other.number);
  }
};

struct Session {
  Ledger ledger{/*has_implicit_slot=*/false};
  /// For each worker, whether it gives its slot back before its next test: it was asked to, or has
  /// started up.
  std::vector<bool> yields = std::vector<bool>(kWorkers + 1, true);
  std::size_t slots = 0;  ///< That its workers have.
  Time without_since{};   ///< Since when it has none.
  Time longest_without{};
  Time used{};  ///< Time of tests, added up.
  std::optional<Time> looks_again;
};

class Fleet {
 public:
  explicit Fleet(const std::vector<Time>& durations)
      : sessions_(kSessions), wants_(kSessions + 1, kNowhere), durations_(durations) {}

  void run();
  void print() const;

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};

  void schedule(Time time, Event::Kind kind, std::size_t session, Ledger::ClientId worker = 0) {
    events_.push({time, count_++, kind, session, worker});
  }
  void handle(const Event& event);
  void carry_out(std::size_t session, const Ledger::Actions& actions);
  void settle(std::size_t session);
  void next_test(std::size_t session, Ledger::ClientId worker);
  void run_test(std::size_t session, Ledger::ClientId worker);
  void start_target();
  void token_returned();
  void someone_looks();
  void set_wants(std::size_t who, bool wants);

  std::vector<Session> sessions_;
  std::size_t tokens_ = kSlots;
  std::vector<std::size_t> wanting_;  ///< Who would take a token now.
  std::vector<std::size_t> wants_;    ///< For each, where it is in wanting_.
  const std::vector<Time>& durations_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::mt19937_64 random_{1};
  Time now_{};
  std::uint64_t count_ = 0;
  Time make_waits_since_{};
  std::vector<double> waits_of_make_;
  std::uint64_t returns_ = 0;
  double took_ = 0;
};

/// What a broker does after each event.
void Fleet::settle(std::size_t number) {
  Session& session = sessions_[number];
  std::size_t to_take = 0;
  do {
    const Ledger::Settled settled = session.ledger.settle(tokens_, now_);
    carry_out(number, settled.actions);
    to_take = settled.to_take;
    for (std::size_t n = 0; n < to_take; ++n) {
      --tokens_;
      carry_out(number, session.ledger.token_read('+', now_));
    }
  } while (to_take > 0);
  const Ledger::Need need = session.ledger.need(now_);
  set_wants(number, need.of == Ledger::Need::Of::kAnyToken);
  if (need.again && need.again != session.looks_again) {
    schedule(*need.again, Event::Kind::kLook, number);
  }
  session.looks_again = need.again;
}

/// What a worker does before each test but the first.
void Fleet::next_test(std::size_t number, Ledger::ClientId worker) {
  Session& session = sessions_[number];
  if (!session.yields[worker]) {
    run_test(number, worker);
    return;
  }
  session.yields[worker] = false;
  if (--session.slots == 0) session.without_since = now_;
  carry_out(number, session.ledger.done(worker, now_));
  carry_out(number, session.ledger.want(worker, now_));
}

void Fleet::run_test(std::size_t number, Ledger::ClientId worker) {
  // A tenth more or less than one of the file, so that tests do not end at the same moments.
  const Time drawn = durations_[random_() % durations_.size()];
  const Time test = drawn * 9 / 10 + drawn / 5 * static_cast<std::int64_t>(random_() % 1000) / 1000;
  sessions_[number].used += counted(now_, now_ + test);
  schedule(now_ + test + kBetweenTests, Event::Kind::kNextTest, number, worker);
}

void Fleet::carry_out(std::size_t number, const Ledger::Actions& actions) {
  Session& session = sessions_[number];
  for (const Ledger::Action& action : actions) {
    if (const auto* grant = std::get_if<Ledger::Grant>(&action)) {
      if (session.slots++ == 0) {
        session.longest_without =
            std::max(session.longest_without, counted(session.without_since, now_));
      }
      run_test(number, grant->client);
    } else if (const auto* yield = std::get_if<Ledger::Yield>(&action)) {
      session.yields[yield->client] = true;
    } else if (std::holds_alternative<Ledger::ReturnToken>(action)) {
      token_returned();
    }
  }
}

void Fleet::token_returned() {
  ++tokens_;
  ++returns_;
  someone_looks();
}

/// One of those who want a token is the first to wake up.
void Fleet::someone_looks() {
  if (tokens_ == 0 || wanting_.empty()) return;
  schedule(now_ + kWakeUp, Event::Kind::kLook, wanting_[random_() % wanting_.size()]);
}

void Fleet::start_target() {
  if (tokens_ == 0 || wants_[kMake] == kNowhere) return;
  --tokens_;
  set_wants(kMake, false);
  if (now_ >= kBegin) waits_of_make_.push_back(in_seconds(now_ - make_waits_since_));
  schedule(now_ + kTarget, Event::Kind::kTargetEnds, kMake);
}

void Fleet::handle(const Event& event) {
  const std::size_t number = event.session;
  if (event.kind == Event::Kind::kTargetEnds) {
    // make keeps no token between two targets.
    make_waits_since_ = now_;
    set_wants(kMake, true);
    token_returned();
    return;
  }
  if (number == kMake) {
    start_target();
    someone_looks();
    return;
  }
  Session& session = sessions_[number];
  switch (event.kind) {
    case Event::Kind::kWant:
      carry_out(number, session.ledger.want(event.worker, now_));
      break;
    case Event::Kind::kNextTest:
      next_test(number, event.worker);
      break;
    case Event::Kind::kLook:
    case Event::Kind::kTargetEnds:
      break;
  }
  settle(number);
  if (event.kind == Event::Kind::kLook) someone_looks();
}

void Fleet::set_wants(std::size_t who, bool wants) {
  std::size_t& where = wants_[who];
  if (wants == (where != kNowhere)) return;
  if (wants) {
    where = wanting_.size();
    wanting_.push_back(who);
    return;
  }
  wants_[wanting_.back()] = where;
  std::swap(wanting_[where], wanting_.back());
  wanting_.pop_back();
  where = kNowhere;
}

void Fleet::run() {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t number = 0; number < kSessions; ++number) {
    for (Ledger::ClientId worker = 1; worker <= kWorkers; ++worker) {
      sessions_[number].ledger.join(worker);
      schedule(milliseconds(random_() % 1000), Event::Kind::kWant, number, worker);
    }
  }
  set_wants(kMake, true);
  schedule(now_, Event::Kind::kLook, kMake);
  while (events_.top().time < kEnd) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.time;
    handle(event);
  }
  for (Session& session : sessions_) {
    if (session.slots == 0) {
      session.longest_without =
          std::max(session.longest_without, counted(session.without_since, kEnd));
    }
  }
  took_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void Fleet::print() const {
  std::vector<double> waits;
  double sum = 0, squares = 0;
  for (const Session& session : sessions_) {
    const double used = in_seconds(session.used);
    waits.push_back(in_seconds(session.longest_without));
    sum += used;
    squares += used * used;
  }
  const double slots = kSlots * in_seconds(kEnd - kBegin);
  const double of_make = kTarget.count() * static_cast<double>(waits_of_make_.size()) / 1e9;
  const auto worst = [](const std::vector<double>& values) {
    return values.empty() ? in_seconds(kEnd - kBegin) : std::ranges::max(values);
  };
  std::printf(
      "{\"yield_after\": %g, \"hand_over_limit\": %g, \"courtesy_pause\": %g, "
      "\"too_soon_for_make\": %g,"
      " \"share\": %.4f, \"jain\": %.4f, \"wait_median\": %.4f, \"wait_worst\": %.4f,"
      " \"make_median\": %.4f, \"make_worst\": %.4f, \"returns\": %.3f, \"events\": %llu, "
      "\"seconds\": %.3f}\n",
      in_seconds(constants.yield_after), in_seconds(constants.hand_over_limit),
      in_seconds(constants.courtesy_pause), in_seconds(constants.too_soon_for_make),
      (sum + of_make) / slots, sum * sum / (kSessions * squares), median(waits), worst(waits),
      median(waits_of_make_), worst(waits_of_make_),
      static_cast<double>(returns_) / in_seconds(kEnd) / kSlots,
      static_cast<unsigned long long>(count_), took_);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 4 != 2) {
    std::fputs(
        "usage: fleet DURATIONS"
        " [YIELD-AFTER HAND-OVER-LIMIT COURTESY-PAUSE TOO-SOON-FOR-MAKE]...\n",
        stderr);
    return 2;
  }
  std::ifstream file(argv[1]);
  std::vector<Time> durations;
  for (std::int64_t value = 0; file >> value;) durations.emplace_back(microseconds(value));
  if (durations.empty()) {
    std::fprintf(stderr, "fleet: there are no numbers in %s\n", argv[1]);
    return 1;
  }
  const auto argument = [argv](int number) { return microseconds(std::atoll(argv[number])); };
  for (int number = 2; number < argc; number += 4) {
    constants = {argument(number), argument(number + 1), argument(number + 2),
                 argument(number + 3)};
    Fleet fleet(durations);
    fleet.run();
    fleet.print();
  }
  return 0;
}
