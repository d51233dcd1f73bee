#include "session/journal.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace jobslots {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using testing::ElementsAre;
using testing::FieldsAre;

Json events_of(const std::string& trace) { return Json::parse("[" + trace + "]"); }

/// The spans of a trace: thread, category, name, begin and duration in seconds, outcome.
std::vector<std::string> spans(const std::string& trace) {
  std::vector<std::string> lines;
  for (const Json& event : events_of(trace)) {
    if (event["ph"] != "X") continue;
    std::ostringstream line;
    line << event["tid"].get<int>() << " " << event["cat"].get<std::string>() << " "
         << event["name"].get<std::string>() << " " << event["ts"].get<double>() / 1e6 << " "
         << event["dur"].get<double>() / 1e6 << " "
         << event.value("/args/outcome"_json_pointer, "-");
    lines.push_back(line.str());
  }
  return lines;
}

/// A ledger with one job slot, the implicit one, and a journal that looks at it.
class JournalTest : public testing::Test {
 protected:
  void join(Ledger::ClientId client, const std::string& worker) {
    ledger_.join(client);
    journal_.set_worker(client, worker);
    record();
  }
  void want(Ledger::ClientId client, std::string_view work) {
    journal_.set_work(client, work);
    ledger_.want(client, now_);
    record();
  }
  void done(Ledger::ClientId client, std::string_view outcome = "") {
    journal_.set_outcome(client, outcome);
    ledger_.done(client, now_);
    record();
  }
  void gone(Ledger::ClientId client) {
    ledger_.gone(client, now_);
    record();
  }
  void record() {
    for (Ledger::ClientId client = 1; client <= 2; ++client) {
      journal_.record(client, ledger_.state_of(client), now_);
    }
    journal_.record_totals({ledger_.holding(), ledger_.waiting(), ledger_.uncovered()}, now_);
    journal_.record_free(0, now_);
  }
  void pass(Ledger::Time time) { now_ += time; }

  Ledger::Time now_ = 1000s;
  Ledger ledger_;
  Journal journal_;
};

TEST_F(JournalTest, SumsUpWhatWorkersHeldAndWaitedFor) {
  pass(5s);
  join(1, "gw0");
  join(2, "gw1");
  want(1, "starting");
  pass(1s);
  want(2, "starting");
  pass(2s);
  done(1);
  pass(4s);
  EXPECT_THAT(journal_.worker_sums(now_),
              ElementsAre(FieldsAre("gw0", 3s, 0s), FieldsAre("gw1", 4s, 2s)));
  EXPECT_EQ(journal_.span(now_), 7s);
  done(2);
  pass(100s);
  EXPECT_EQ(journal_.span(now_), 7s);
  EXPECT_EQ(journal_.most(), 1U);
}

TEST_F(JournalTest, MostIsThatOfOneMoment) {
  join(1, "gw0");
  join(2, "gw1");
  want(1, "test a");
  want(2, "test b");
  EXPECT_EQ(journal_.most(), 1U);
  ledger_.token_read('+', now_);
  record();
  EXPECT_EQ(journal_.most(), 2U);
  done(1);
  want(1, "test c");
  EXPECT_EQ(journal_.most(), 2U);
}

TEST_F(JournalTest, AWorkerThatConnectsAgainIsTheSameWorker) {
  join(1, "gw0");
  want(1, "test a");
  pass(1s);
  gone(1);
  join(2, "gw0");
  want(2, "test b");
  pass(1s);
  EXPECT_THAT(journal_.worker_sums(now_), ElementsAre(FieldsAre("gw0", 2s, 0s)));
}

TEST_F(JournalTest, AWorkerHoldsItsSlotFromWhenItIsBegun) {
  ledger_.start(1);
  ledger_.settle(0, now_);
  journal_.set_worker(1, "gw0");
  record();
  pass(1s);
  ledger_.join_as(2, 1, now_);
  journal_.replace_client(1, 2);
  journal_.set_worker(2, "gw0");
  record();
  pass(1s);
  want(2, "starting");
  pass(1s);
  done(2);
  EXPECT_THAT(journal_.worker_sums(now_), ElementsAre(FieldsAre("gw0", 3s, 0s)));
}

TEST_F(JournalTest, AWorkerThatIsNotStartedAfterAllIsForgotten) {
  journal_.begin_trace(TraceText(7));
  ledger_.start(1);
  ledger_.settle(0, now_);
  journal_.set_worker(1, "gw0");
  record();
  pass(1ms);
  journal_.forget(1);
  gone(1);
  EXPECT_THAT(journal_.worker_sums(now_), ElementsAre());
  EXPECT_THAT(spans(journal_.take_trace()), ElementsAre());
}

TEST_F(JournalTest, NothingHasHappened) {
  EXPECT_EQ(journal_.most(), 0U);
  EXPECT_EQ(journal_.span(now_), 0s);
  EXPECT_THAT(journal_.worker_sums(now_), ElementsAre());
  EXPECT_EQ(journal_.take_trace(), "");
}

TEST_F(JournalTest, WritesATrace) {
  journal_.begin_trace(TraceText(7));
  join(1, "gw0");
  join(2, "gw1");
  want(1, "starting");
  pass(1s);
  done(1);
  want(1, "test a.py::test");
  want(2, "test b.py::test");
  pass(2s);
  done(1, "passed");
  pass(3s);
  gone(2);
  want(1, "finishing");
  pass(4s);
  gone(1);
  EXPECT_THAT(spans(journal_.take_trace()),
              ElementsAre("1 starting starting 1000 1 -", "1 test a.py::test 1001 2 passed",
                          "2 waiting waiting 1001 2 -", "2 test b.py::test 1003 3 died",
                          "1 finishing finishing 1006 4 -"));
}

TEST_F(JournalTest, AWorkerThatConnectsAgainHasNotDied) {
  journal_.begin_trace(TraceText(7));
  join(1, "gw0");
  want(1, "test a");
  pass(1s);
  journal_.expect_return(1);
  gone(1);
  join(2, "gw0");
  want(2, "test b");
  pass(1s);
  gone(2);
  EXPECT_THAT(spans(journal_.take_trace()),
              ElementsAre("1 test a 1000 1 -", "1 test b 1001 1 died"));
}

TEST_F(JournalTest, CountsInTheTrace) {
  journal_.begin_trace(TraceText(7));
  join(1, "gw0");
  join(2, "gw1");
  want(1, "test a");
  want(2, "test b");
  done(1, "passed");
  std::vector<std::string> counters;
  for (const Json& event : events_of(journal_.take_trace())) {
    if (event["ph"] == "C") counters.push_back(event["args"].dump());
  }
  EXPECT_THAT(counters, ElementsAre(R"({"free":0})", R"({"held":1})", R"({"waiting":1})",
                                    R"({"waiting":0})"));
}

}  // namespace
}  // namespace jobslots
