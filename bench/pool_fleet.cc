/// Sessions that share a machine's pool, in virtual time: what the pool's policy does to the
/// waiting of short runs, to fairness, and to the share of slots in use.
///
/// The pool is the real one, which hears and says packets; its clients are played. Suites of 8
/// workers are there from the beginning and always have a next test; how long it takes is drawn
/// from a file of real ones. They keep their slots until the pool asks for one, and give that back
/// at the end of the first test that ends then. Runs of 5 tests come in between, as many as use a
/// tenth of the slots. What a program does between the pool's grant and its test takes no time
/// here.
///
/// Usage: pool_fleet DURATIONS [SUITES SLOTS]...
/// DURATIONS: microseconds, separated by white space. For each two of the others a line of JSON is
/// written.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "pool/pool.h"

namespace {

using jobslots::Pool;
using Time = Pool::Time;
using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::size_t kWorkers = 8;
constexpr std::size_t kShortRun = 5;
constexpr double kShareOfShortRuns = 0.1;
/// How often each suite would have had a slot for a second at the end, if they took turns; and how
/// often when the figures begin.
constexpr std::int64_t kTurns = 5;
constexpr std::int64_t kTurnsBefore = 1;
/// Virtual time is at least so long.
constexpr Time kShortest = seconds(600);

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double most(const std::vector<double>& values) {
  return values.empty() ? 0 : std::ranges::max(values);
}

/// A fifo that nobody else has open.
class Store : public jobslots::PoolStore {
 public:
  explicit Store(std::size_t tokens) : tokens_(tokens) {}
  std::size_t count() const override { return tokens_; }
  bool others() const override { return false; }
  bool try_take() override { return tokens_ > 0 && tokens_-- > 0; }
  void put(std::size_t count) override { tokens_ += count; }

 private:
  std::size_t tokens_;
};

struct Client {
  bool is_short = false;
  std::size_t tests = 0;  ///< Of a short run: those that have not begun.
  std::size_t slots = 0;  ///< A test runs in each.
  std::size_t asked = 0;  ///< How many are to be given back.
  Time came{};
  Time without_since{};  ///< Since when it has none.
  Time longest_without{};
  Time used{};              ///< Slots by time, where that counts.
  bool just_asked = false;  ///< It gave a slot back that the pool has asked for, just now.

  std::size_t wanted() const { return is_short ? std::min(kWorkers, slots + tests) : kWorkers; }
};

struct Event {
  enum class Kind { kLook, kShortRunComes, kTestEnds };
  Time time;
  std::uint64_t number;  ///< Of two events at the same time the older one comes first.
  Kind kind;
  Pool::ClientId client;

  bool operator>(const Event& other) const {
    return std::pair(time, number) > std::pair(other.time, other.number);
  }
};

class Fleet {
 public:
  Fleet(std::size_t suites, std::size_t slots, const std::vector<Time>& durations);

  void run();
  void print() const;

 private:
  void schedule(Time time, Event::Kind kind, Pool::ClientId client = 0) {
    events_.push({time, count_++, kind, client});
  }
  Client& client(Pool::ClientId id) { return clients_.at(id - 1); }
  /// The part of a span that counts.
  Time counted(Time begin, Time end) const {
    return std::max(Time::zero(), std::min(end, end_) - std::max(begin, begin_));
  }

  void handle(const Event& event);
  void connect(bool is_short);
  void say(Pool::ClientId id, const jobslots::pool::FromClient& message);
  void settle();
  void run_test(Pool::ClientId id);
  void test_ends(Pool::ClientId id);
  void granted(Pool::ClientId id);

  std::size_t suites_;
  std::size_t slots_;
  const std::vector<Time>& durations_;
  Time begin_;  ///< The figures are of what happens from here to there.
  Time end_;
  Time between_short_runs_;
  Time now_{};
  Store store_;
  Pool pool_;
  std::deque<Client> clients_;  ///< By number; the first has number 1.
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t count_ = 0;
  std::optional<Time> looks_again_;
  std::mt19937_64 random_{1};
  std::vector<double> waits_;  ///< Of short runs for their first slot.
  std::vector<double> lasted_;
  Time in_use_{};  ///< Slots by time.
  std::uint64_t asked_back_ = 0;
  std::uint64_t in_vain_ = 0;  ///< Given back and granted to the same client.
  std::uint64_t packets_ = 0;
  double took_ = 0;
};

Fleet::Fleet(std::size_t suites, std::size_t slots, const std::vector<Time>& durations)
    : suites_(suites),
      slots_(slots),
      durations_(durations),
      store_(slots),
      pool_(static_cast<unsigned>(slots), "/fifo", false, now_) {
  const Time turn = std::max<Time>(kShortest / kTurns,
                                   Time(seconds(1)) * static_cast<std::int64_t>(suites / slots));
  begin_ = turn * kTurnsBefore;
  end_ = turn * (kTurnsBefore + kTurns);
  const Time mean = std::accumulate(durations.begin(), durations.end(), Time()) /
                    static_cast<std::int64_t>(durations.size());
  between_short_runs_ =
      std::chrono::duration_cast<Time>(mean * static_cast<std::int64_t>(kShortRun) /
                                       (kShareOfShortRuns * static_cast<double>(slots)));
}

void Fleet::say(Pool::ClientId id, const jobslots::pool::FromClient& message) {
  ++packets_;
  pool_.said(id, to_packet(message), now_);
}

void Fleet::connect(bool is_short) {
  const Pool::ClientId id = pool_.connected(1);
  Client& client = clients_.emplace_back();
  client.is_short = is_short;
  client.tests = is_short ? kShortRun : 0;
  client.came = client.without_since = now_;
  say(id, jobslots::pool::Hello{});
  say(id, jobslots::pool::Want{client.wanted(), 0});
}

/// What the pool's server does after each event.
void Fleet::settle() {
  pool_.settle(store_, now_);
  while (const auto effect = pool_.next_effect()) {
    const auto* const send = std::get_if<Pool::Send>(&*effect);
    if (send == nullptr) continue;
    ++packets_;
    if (const auto* grant = std::get_if<jobslots::pool::Grant>(&send->message)) {
      for (std::size_t n = 0; n < grant->count; ++n) granted(send->client);
    } else if (const auto* yield = std::get_if<jobslots::pool::Yield>(&send->message)) {
      client(send->client).asked += yield->count;
      asked_back_ += yield->count;
    }
  }
  if (pool_.again() && pool_.again() != looks_again_) schedule(*pool_.again(), Event::Kind::kLook);
  looks_again_ = pool_.again();
}

void Fleet::granted(Pool::ClientId id) {
  Client& one = client(id);
  if (one.just_asked) ++in_vain_;
  if (one.slots++ == 0) {
    if (one.is_short && one.tests == kShortRun) waits_.push_back(in_seconds(now_ - one.came));
    one.longest_without = std::max(one.longest_without, counted(one.without_since, now_));
  }
  run_test(id);
}

void Fleet::run_test(Pool::ClientId id) {
  Client& one = client(id);
  if (one.is_short) --one.tests;
  // A tenth more or less than one of the file, so that tests do not end at the same moments.
  const Time drawn = durations_[random_() % durations_.size()];
  const Time test = drawn * 9 / 10 + drawn / 5 * static_cast<std::int64_t>(random_() % 1000) / 1000;
  one.used += counted(now_, now_ + test);
  in_use_ += counted(now_, now_ + test);
  schedule(now_ + test, Event::Kind::kTestEnds, id);
}

void Fleet::test_ends(Pool::ClientId id) {
  Client& one = client(id);
  const bool is_last = one.is_short && one.tests == 0;
  if (!is_last && one.asked == 0) {
    run_test(id);
    return;
  }
  one.just_asked = one.asked > 0;
  one.asked -= std::min<std::size_t>(one.asked, 1);
  if (--one.slots == 0) one.without_since = now_;
  if (is_last) say(id, jobslots::pool::Want{one.wanted(), 0});
  say(id, jobslots::pool::Back{1});
  if (is_last && one.slots == 0) {
    lasted_.push_back(in_seconds(now_ - one.came));
    pool_.hung_up(id, now_);
  }
}

void Fleet::handle(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kLook:
      if (looks_again_ == now_) settle();  // Else the pool has changed its mind since.
      break;
    case Event::Kind::kShortRunComes:
      connect(/*is_short=*/true);
      schedule(now_ + between_short_runs_, Event::Kind::kShortRunComes);
      settle();
      break;
    case Event::Kind::kTestEnds:
      test_ends(event.client);
      settle();
      client(event.client).just_asked = false;
      break;
  }
}

void Fleet::run() {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t n = 0; n < suites_; ++n) connect(/*is_short=*/false);
  settle();
  schedule(begin_, Event::Kind::kShortRunComes);
  while (events_.top().time < end_) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.time;
    handle(event);
  }
  for (Client& one : clients_) {
    if (one.slots > 0 || one.is_short) continue;
    one.longest_without = std::max(one.longest_without, counted(one.without_since, end_));
  }
  took_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void Fleet::print() const {
  std::vector<double> without;
  double sum = 0, squares = 0;
  for (std::size_t n = 0; n < suites_; ++n) {
    const double used = in_seconds(clients_[n].used);
    without.push_back(in_seconds(clients_[n].longest_without));
    sum += used;
    squares += used * used;
  }
  std::printf(
      "{\"suites\": %zu, \"slots\": %zu, \"runs\": %zu, \"wait_median\": %.4f,"
      " \"wait_worst\": %.4f, \"lasted_median\": %.4f, \"lasted_worst\": %.4f,"
      " \"without_median\": %.4f, \"without_worst\": %.4f, \"jain\": %.4f, \"share\": %.4f,"
      " \"asked_back\": %llu, \"in_vain\": %llu, \"packets\": %llu, \"seconds\": %.3f}\n",
      suites_, slots_, waits_.size(), median(waits_), most(waits_), median(lasted_), most(lasted_),
      median(without), most(without), sum * sum / (static_cast<double>(suites_) * squares),
      in_seconds(in_use_) / (static_cast<double>(slots_) * in_seconds(end_ - begin_)),
      static_cast<unsigned long long>(asked_back_), static_cast<unsigned long long>(in_vain_),
      static_cast<unsigned long long>(packets_), took_);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) {
    std::fputs("usage: pool_fleet DURATIONS [SUITES SLOTS]...\n", stderr);
    return 2;
  }
  std::ifstream file(argv[1]);
  std::vector<Time> durations;
  for (std::int64_t value = 0; file >> value;) durations.emplace_back(microseconds(value));
  if (durations.empty()) {
    std::fprintf(stderr, "pool_fleet: there are no numbers in %s\n", argv[1]);
    return 1;
  }
  const auto argument = [argv](int number) {
    return static_cast<std::size_t>(std::atoll(argv[number]));
  };
  for (int number = 2; number < argc; number += 2) {
    Fleet fleet(argument(number), argument(number + 1), durations);
    fleet.run();
    fleet.print();
  }
  return 0;
}
