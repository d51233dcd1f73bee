/// A session's rules about its clients, without sockets and processes: slots, ends, closed
/// connections, and who breaks the protocol.

#include "session_fixture.h"

namespace jobslots {
namespace {

using test::SessionTest;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

using SessionAndDeath = SessionTest;
using SessionAndClosedSockets = SessionTest;
using SessionAndBadClients = SessionTest;
using SessionAndTraces = SessionTest;

TEST_F(SessionTest, WorkersAreWelcomedAndHaveSlots) {
  const Client one = connected();
  EXPECT_THAT(said(one, "hello 1 worker gw0"), ElementsAre("1: welcome 1"));
  const Client other = greeted("gw1");
  EXPECT_THAT(said(one, "want"), ElementsAre("1: grant")) << "the implicit slot goes first";
  EXPECT_EQ(tokens_.size(), 2U);
  EXPECT_THAT(said(other, "want"), ElementsAre("2: grant"));
  EXPECT_THAT(said(other, "done"), ElementsAre("return a"));
}

TEST_F(SessionTest, WorkersBeyondTheSlotsWaitForATurn) {
  for (int i = 0; i < 3; ++i) said(greeted(), "want");
  const Client fourth = greeted();
  EXPECT_THAT(said(fourth, "want"), IsEmpty());
  EXPECT_THAT(said(2, "done"), ElementsAre("4: grant"));
}

TEST_F(SessionTest, EndsWhenTheControllerAndAllWorkersAreGone) {
  const Client worker = greeted();
  controller_said("bye");
  EXPECT_FALSE(session_.over());
  EXPECT_THAT(gone(worker), ElementsAre("drop 1"));
  EXPECT_TRUE(session_.over());
}

TEST_F(SessionAndDeath, AWorkerThatHolds) {
  for (int i = 0; i < 4; ++i) said(greeted(), "want");
  EXPECT_THAT(gone(2), ElementsAre("drop 2", "4: grant"));
  EXPECT_THAT(gone(1), ElementsAre("drop 1", testing::AnyOf("return a", "return b")));
}

TEST_F(SessionAndDeath, AWorkerThatWaits) {
  for (int i = 0; i < 5; ++i) said(greeted(), "want");
  gone(4);
  EXPECT_THAT(said(1, "done"), ElementsAre("5: grant"));
}

TEST_F(SessionAndDeath, TheControllerDies) {
  for (int i = 0; i < 2; ++i) said(greeted(), "want");
  const Client silent = connected();
  EXPECT_THAT(gone(Session::kController), ElementsAre("drop 0", "interrupt 1", "interrupt 2"));
  EXPECT_FALSE(session_.over());
  EXPECT_EQ(session_.tokens().size(), 2U) << "one covers the worker on the implicit slot";
  gone(1);
  gone(2);
  EXPECT_TRUE(session_.over()) << "client " << silent << " has never said hello";
  EXPECT_EQ(tokens_.size(), 2U);
}

TEST_F(SessionAndDeath, TheEndOfTheControllersConnectionIsAsGoodAsBye) {
  const Client worker = greeted();
  EXPECT_THAT(hung_up(Session::kController), ElementsAre("hang up 0"));
  EXPECT_THAT(said(worker, "want"), ElementsAre("1: grant"));
  EXPECT_THAT(hung_up(Session::kController), IsEmpty());
  EXPECT_FALSE(session_.over());
  gone(worker);
  EXPECT_TRUE(session_.over());
}

TEST_F(SessionAndDeath, WhoseControllerIsDeadTearsDownWithoutWaiting) {
  tokens_.clear();
  said(greeted(), "want");
  const Client other = greeted();
  gone(Session::kController);
  EXPECT_THAT(said(other, "want test a.py::test"), IsEmpty());
  EXPECT_THAT(gone(other), ElementsAre("drop 2"));
  const Client late = greeted();
  EXPECT_THAT(said(late, "want finishing"), ElementsAre("3: grant"));
}

TEST_F(SessionAndDeath, AWorkerThatXdistHasGivenUpIsEnded) {
  tokens_.clear();
  said(greeted("gw0"), "want");
  said(greeted("gw1"), "want");
  EXPECT_THAT(controller_said("lost gw0"), ElementsAre("kill 1", "drop 1", "2: grant"));
  EXPECT_THAT(controller_said("lost nobody"), IsEmpty());
  controller_said("start gw2");
  EXPECT_THAT(controller_said("lost gw2"), IsEmpty()) << "it was never there";
}

TEST_F(SessionAndDeath, AControllerThatIsNotWatchedIsGoneWithItsConnection) {
  Session session({1000, false}, 3);
  session.hung_up(Session::kController, now_);
  EXPECT_TRUE(session.over());
}

TEST_F(SessionAndClosedSockets, AWorkerThatLivesKeepsItsSlotAndReleasesItWithItsNextHello) {
  tokens_.clear();
  const Client one = greeted();
  const Client two = greeted();
  said(one, "want");
  said(two, "want");
  EXPECT_THAT(hung_up(one), ElementsAre("hang up 1"));
  EXPECT_THAT(hung_up(one), IsEmpty());
  EXPECT_THAT(said(one, "done"), IsEmpty()) << "it has no connection";
  const Client again = session_.connected({1001, true});
  EXPECT_THAT(said(again, "hello 1 worker gw0"), ElementsAre("drop 1", "3: welcome 1", "2: grant"));
}

TEST_F(SessionAndClosedSockets, WhoCannotBeToldKeepsItsSlot) {
  tokens_.clear();
  said(greeted(), "want");
  said(1, "done");
  said(1, "want");
  said(greeted(), "want");
  hung_up(1);
  pass(Ledger::kYieldAfter);
  EXPECT_THAT(settled(), IsEmpty()) << "it is to yield, and cannot be told";
  EXPECT_THAT(gone(1), ElementsAre("drop 1", "2: grant"));
}

TEST_F(SessionAndClosedSockets, WithoutAWatchTheConnectionIsTheLife) {
  tokens_.clear();
  const Client one = greeted("gw0", false);
  said(one, "want");
  said(greeted(), "want");
  EXPECT_THAT(hung_up(one), ElementsAre("drop 1", "2: grant"));
}

TEST_F(SessionAndClosedSockets, WhoHasNoSlotIsForgotten) {
  tokens_.clear();
  for (int i = 0; i < 3; ++i) said(greeted(), "want");
  EXPECT_THAT(hung_up(2), ElementsAre("drop 2"));
  EXPECT_THAT(said(1, "done"), ElementsAre("3: grant"));
}

TEST_F(SessionAndClosedSockets, ProcessesWithoutANumberHereAreDifferentOnes) {
  const Client one = session_.connected({0, false});
  said(one, "hello 1 worker gw0");
  const Client other = session_.connected({0, false});
  EXPECT_THAT(said(other, "hello 1 worker gw1"), ElementsAre("2: welcome 1"));
}

TEST_F(SessionAndClosedSockets, AGrantThatDoesNotArriveGoesToTheNext) {
  tokens_.clear();
  for (int i = 0; i < 3; ++i) said(greeted(), "want");
  session_.said(1, "done", now_);
  session_.undelivered({2, message::Grant{}}, now_);
  EXPECT_THAT(settled(), ElementsAre("2: grant", "drop 2", "3: grant"));
}

TEST_F(SessionAndBadClients, Garbage) {
  for (const std::string& garbage :
       {std::string("x"), std::string("\0", 1), std::string("want "), std::string("WANT"),
        std::string("hello"), std::string("hello x worker gw0"), std::string("bye"),
        std::string("grant"), std::string()}) {
    const Client bad = connected();
    const std::string number = std::to_string(bad);
    EXPECT_THAT(said(bad, garbage),
                ElementsAre(number + ": refused not a message of this protocol", "drop " + number));
  }
  EXPECT_THAT(said(connected(), std::string(kMessageLimit + 1, 'x')).front(),
              testing::EndsWith("refused longer than a message of this protocol"));
}

TEST_F(SessionAndBadClients, HelloOfAnotherVersionOrRole) {
  for (const char* hello : {"hello 999 worker gw0", "hello 1 controller"}) {
    EXPECT_THAT(said(connected(), hello).front(),
                testing::EndsWith("refused this broker speaks version 1 to workers"));
  }
}

TEST_F(SessionAndBadClients, OutOfTurn) {
  EXPECT_THAT(said(connected(), "want"), ElementsAre("1: refused say hello first", "drop 1"));
  EXPECT_THAT(said(connected(), "done"), ElementsAre("2: refused say hello first", "drop 2"));
  EXPECT_THAT(said(greeted(), "hello 1 worker gw0"),
              ElementsAre("3: refused said hello already", "drop 3"));
  EXPECT_THAT(said(greeted(), "done"),
              ElementsAre("4: refused gave back what it did not hold", "drop 4"));
}

TEST_F(SessionAndBadClients, WhoIsRefusedMayStillWorkOnItsSlot) {
  const Client bad = greeted();
  said(bad, "want");
  EXPECT_THAT(said(bad, "want"),
              ElementsAre("1: refused asked for a second job slot", "hang up 1"));
  session_.undelivered({bad, message::Refused{"why"}}, now_);
  EXPECT_THAT(said(greeted(), "want"), ElementsAre("2: grant"));
  EXPECT_EQ(tokens_.size(), 1U) << "the implicit slot is in use";
}

TEST_F(SessionAndBadClients, TheControllerIsAnsweredAndStays) {
  EXPECT_THAT(controller_said("nonsense"),
              ElementsAre("0: refused not a message of this protocol"));
  EXPECT_THAT(controller_said("want"), ElementsAre("0: refused not a message of a controller"));
  EXPECT_THAT(controller_said("trace " + std::string(kMessageLimit, 'x')),
              ElementsAre("0: refused longer than a message of this protocol"));
  EXPECT_THAT(controller_said("sync"), ElementsAre("0: synced"));
}

TEST_F(SessionAndTraces, AreOpenedByTheCallerAndTellWorkers) {
  controller_said("title pytest unit");
  EXPECT_THAT(controller_said("trace /tmp/t.json"), ElementsAre("open trace /tmp/t.json"));
  session_.trace_opened(now_);
  EXPECT_THAT(settled(), ElementsAre("0: traced"));
  const Client worker = connected();
  EXPECT_THAT(said(worker, "hello 1 worker gw0"), ElementsAre("1: welcome 1 trace"));
  said(worker, "want test a.py::test");
  pass(std::chrono::seconds(1));
  said(worker, "done failed");
  const std::string text = session_.take_trace();
  EXPECT_THAT(text, testing::HasSubstr(R"("name":"pytest unit","job_slots":3)"));
  EXPECT_THAT(text, testing::HasSubstr(R"("dur":1000000.000,"args":{"outcome":"failed"})"));
  EXPECT_EQ(session_.take_trace(), "");
  session_.trace_ended("the disk is full");
  EXPECT_THAT(settled(), ElementsAre("0: untraced the disk is full"));
  EXPECT_FALSE(session_.tracing());
}

TEST_F(SessionAndTraces, SumsAreThereWithoutOne) {
  const Client worker = greeted("a b");
  said(worker, "want");
  pass(std::chrono::nanoseconds(5));
  said(worker, "done");
  EXPECT_THAT(controller_said("sum"), ElementsAre("0: worker a b 5 0", "0: summed 1 5 0 0"));
}

TEST_F(SessionAndTraces, ASlotThatIsKeptIsWorkedOnTestByTest) {
  session_.trace_opened(now_);
  const Client worker = greeted();
  said(worker, "want test a.py::one");
  pass(std::chrono::seconds(1));
  const std::string then = std::to_string(now_.count());
  pass(std::chrono::milliseconds(4));
  EXPECT_THAT(said(worker, "next " + then + " passed test a.py::two"), IsEmpty())
      << "it was read later";
  pass(std::chrono::milliseconds(1996));
  said(worker, "done failed");
  const std::string text = session_.take_trace();
  EXPECT_THAT(text, testing::HasSubstr(R"("name":"a.py::one")"));
  EXPECT_THAT(text, testing::HasSubstr(R"("dur":1000000.000,"args":{"outcome":"passed"})"));
  EXPECT_THAT(text, testing::HasSubstr(R"("dur":2000000.000,"args":{"outcome":"failed"})"));
  EXPECT_THAT(said(worker, "next 1 passed test a.py::three"),
              ElementsAre("1: refused goes on without a slot", "drop 1"));
}

TEST_F(SessionAndTraces, NoTimeIsBeforeTheTestsBeginNorAfterNow) {
  session_.trace_opened(now_);
  const Client worker = greeted();
  said(worker, "want test a.py::one");
  said(worker, "next 1 passed test a.py::two");
  said(worker, "next 9000000000000000000 passed test a.py::three");
  EXPECT_THAT(session_.take_trace(), testing::Not(testing::HasSubstr(R"("dur":-)")));
}

/// Two workers under one slot, of which the first has it. Both have started up.
class SessionThatStandsStill : public SessionTest {
 protected:
  SessionThatStandsStill() {
    tokens_.clear();
    for (Client client : {greeted("gw0"), greeted("gw1")}) {
      said(client, "want");
      said(client, "done");
    }
    said(1, "want");
    said(2, "want");
    pass(Stall::kFirstLook - std::chrono::milliseconds(1));
    EXPECT_THAT(settled(), ElementsAre("1: yield"));
    pass(std::chrono::milliseconds(1));
  }
};

TEST_F(SessionThatStandsStill, LendsASlotWhereThoseThatHoldUseNoCpu) {
  EXPECT_EQ(session_.need(now_).again, now_);
  EXPECT_THAT(settled(), ElementsAre("examine 1"));
  EXPECT_THAT(examined(std::chrono::seconds(7)), IsEmpty());
  pass(Stall::kLimit - Stall::kFirstLook - std::chrono::nanoseconds(1));
  EXPECT_THAT(settled(), IsEmpty());
  pass(std::chrono::nanoseconds(1));
  EXPECT_THAT(settled(), ElementsAre("examine 1"));
  EXPECT_THAT(examined(std::chrono::milliseconds(7100)),
              ElementsAre("0: holds gw0", "1: keep", "2: keep", "0: lent gw1", "2: grant"));
  pass(std::chrono::seconds(3));
  EXPECT_THAT(said(2, "done"), IsEmpty()) << "the lent slot is nobody's";
  EXPECT_THAT(controller_said("sum").back(), "0: summed 2 13000000000 1 3000000000");
  const Client late = connected();
  EXPECT_THAT(said(late, "hello 1 worker gw2"), ElementsAre("3: welcome 1", "3: keep"));
}

TEST_F(SessionThatStandsStill, DoesNotWhereTheyWork) {
  settled();
  examined(std::chrono::seconds(7));
  for (int i = 8; i < 12; ++i) {
    pass(Stall::kLimit);
    EXPECT_THAT(settled(), ElementsAre("examine 1"));
    EXPECT_THAT(examined(std::chrono::seconds(i)), IsEmpty());
  }
}

TEST_F(SessionThatStandsStill, DoesNotWhereTheyWouldWorkIfTheyHadACpu) {
  settled();
  examined(std::chrono::seconds(7), std::chrono::seconds(20));
  pass(Stall::kLimit);
  settled();
  EXPECT_THAT(examined(std::chrono::seconds(7), std::chrono::seconds(26)), IsEmpty());
  pass(Stall::kLimit);
  settled();
  EXPECT_THAT(examined(std::chrono::seconds(7), std::chrono::seconds(30)),
              testing::Contains("2: grant"))
      << "who looks again and again waits each time, but sleeps most of the time";
}

TEST_F(SessionThatStandsStill, WaitsLongerWhereThatCannotBeKnown) {
  settled();
  EXPECT_THAT(examined(std::nullopt), IsEmpty());
  for (auto left = Stall::kLimitUnseen - Stall::kFirstLook; left > Stall::kLimit;
       left -= Stall::kLimit) {
    pass(Stall::kLimit);
    EXPECT_THAT(settled(), ElementsAre("examine 1"));
    EXPECT_THAT(examined(std::nullopt), IsEmpty());
  }
  pass(Stall::kLimit);
  EXPECT_THAT(settled(), ElementsAre("examine 1"));
  EXPECT_THAT(examined(std::nullopt), testing::Contains("2: grant"));
}

TEST_F(SessionThatStandsStill, DoesNotTakeAFirstSightForWork) {
  settled();
  examined(std::nullopt);
  pass(Stall::kLimit);
  settled();
  EXPECT_THAT(examined(std::chrono::seconds(7)), IsEmpty());
  pass(Stall::kLimit);
  settled();
  EXPECT_THAT(examined(std::chrono::seconds(7)), testing::Contains("2: grant"));
}

TEST_F(SessionThatStandsStill, CountsAgainFromEachHandOver) {
  settled();
  examined(std::chrono::seconds(7));
  pass(std::chrono::seconds(5));
  EXPECT_THAT(said(1, "done"), ElementsAre("2: grant"));
  said(1, "want");
  pass(std::chrono::milliseconds(1999));
  EXPECT_THAT(settled(), ElementsAre("2: yield"));
}

TEST_F(SessionThatStandsStill, BeginsAWorkerWhereNobodyWaits) {
  hung_up(2);
  controller_said("start gw2");
  pass(Stall::kFirstLook);
  EXPECT_THAT(settled(), ElementsAre("examine 1"));
  examined(std::chrono::seconds(7));
  pass(Stall::kLimit);
  settled();
  EXPECT_THAT(examined(std::chrono::seconds(7)),
              ElementsAre("0: holds gw0", "1: keep", "0: lent gw2", "0: begin gw2"));
}

TEST_F(SessionThatStandsStill, WaitsLongerForAWorkerThatIsBeingStarted) {
  gone(2);
  gone(1);
  EXPECT_THAT(controller_said("start gw2"), ElementsAre("0: begin gw2"));
  const Client waiting = greeted("gw3");
  said(waiting, "want");
  pass(Stall::kFirstLook);
  EXPECT_THAT(settled(), IsEmpty());
  for (auto left = Stall::kLimitUnseen - Stall::kFirstLook; left > Stall::kLimit;
       left -= Stall::kLimit) {
    pass(Stall::kLimit);
    EXPECT_THAT(settled(), IsEmpty()) << "nobody knows the process that is to work";
  }
  pass(Stall::kLimit);
  EXPECT_THAT(settled(), ElementsAre("0: holds gw2", "4: keep", "0: lent gw3", "4: grant"));
}

TEST(SessionOfAJob, HasTheImplicitSlotWhenItIsGivenIt) {
  Session session({1000, true}, 3, false);
  const Session::Time now = std::chrono::hours(1);
  EXPECT_FALSE(session.wants_implicit_slot());
  const auto worker = session.connected({1001, true});
  session.said(worker, "hello 1 worker gw0", now);
  session.said(worker, "want", now);
  EXPECT_TRUE(session.wants_implicit_slot());
  session.implicit_slot_gained(now);
  EXPECT_FALSE(session.wants_implicit_slot());
  EXPECT_FALSE(session.can_spare_implicit_slot());
  session.said(worker, "done", now);
  EXPECT_TRUE(session.can_spare_implicit_slot());
  session.implicit_slot_lost(now);
  EXPECT_FALSE(session.wants_implicit_slot()) << "there is nothing to do";
}

}  // namespace
}  // namespace jobslots
