/// The real `jobslots broker`: workers that are started when there is a slot for them.

#include <csignal>

#include "broker_support.h"

namespace jobslots {
namespace {

using test::can_hear;
using test::Child;
using test::falls_asleep;
using test::GreetedWorker;
using test::hear;
using test::Neighbour;
using test::proc_value;
using test::say;
using test::stop;
using test::TestSession;
using test::wait_until_served;
using test::Worker;
using testing::ElementsAre;
using testing::IsEmpty;

/// How often the process has fallen asleep in its life.
long sleeps(const Child& process) {
  return std::stol(proc_value(process, "status", "voluntary_ctxt_switches:"));
}

TEST(BrokerStarts, AsManyAsThereAreSlotsAndThenSynced) {
  TestSession session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(session.tokens_available(), 0) << "their slots are taken before they are there";
  EXPECT_THAT(session.sync(), IsEmpty());
  session.expect_end();
}

TEST(BrokerStarts, OneAtLeast) {
  TestSession session(1);
  EXPECT_THAT(session.sync(), IsEmpty());
  session.start({"a", "b"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  session.expect_end();
}

TEST(BrokerStarts, LaterWhenANeighbourReturnsAToken) {
  TestSession session(3);
  Neighbour neighbour(session);
  neighbour.take();
  neighbour.take();
  session.start({"a", "b", "c"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  neighbour.give_back();
  EXPECT_EQ(hear(session.controller()), "begin b");
  neighbour.give_back();
  EXPECT_EQ(hear(session.controller()), "begin c");
  EXPECT_EQ(session.tokens_available(), 0);
  session.expect_end();
}

TEST(BrokerStarts, LaterWhenAWorkerEnds) {
  TestSession session(1);
  session.start({"a", "b", "c"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  {
    GreetedWorker a(session, "a");
    a.expect_granted();
    a.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
    GreetedWorker b(session, "b");
    b.kill();
    EXPECT_EQ(hear(session.controller()), "begin c") << "also one that has not asked yet";
  }
  session.expect_end();
}

TEST(BrokerStarts, SyncedComesAfterTheStartsForWhatHasJustComeFree) {
  TestSession session(1);
  session.start({"a", "b"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  {
    GreetedWorker a(session, "a");
    stop(session.broker());
    a.kill();
    say(session.controller(), "sync");
    session.broker().signal(SIGCONT);
    EXPECT_EQ(hear(session.controller()), "begin b");
    EXPECT_EQ(hear(session.controller()), "synced");
  }
  session.expect_end();
}

TEST(BrokerStarts, NotOnTheSlotThatAWorkerBetweenTwoTestsWillWant) {
  TestSession session(2);
  {
    GreetedWorker idle(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(session.tokens_available(), 1) << "it lies there for the worker";
      idle.expect_granted();
      EXPECT_THAT(session.sync(), IsEmpty());
      idle.tell("done");
      EXPECT_TRUE(session.eventually_available(1));
      EXPECT_THAT(session.sync(), IsEmpty());
    }
    idle.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
  }
  session.expect_end();
}

TEST(BrokerStarts, WhenTokensComeToOthersThatHaveToStay) {
  TestSession session(4);
  Neighbour neighbour(session);
  for (int i = 0; i < 3; ++i) neighbour.take();
  {
    const GreetedWorker one(session);
    const GreetedWorker other(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), IsEmpty()) << "a free slot, but two workers are idle";
    neighbour.give_back();
    EXPECT_THAT(session.sync(), IsEmpty());
    neighbour.give_back();
    EXPECT_EQ(hear(session.controller()), "begin a");
    EXPECT_EQ(session.tokens_available(), 2) << "it starts on the implicit slot";
    neighbour.give_back();
    EXPECT_EQ(hear(session.controller()), "begin b");
    EXPECT_EQ(session.tokens_available(), 2);
  }
  session.expect_end();
}

TEST(BrokerStarts, NoTimeIsSpentOnTokensThatHaveToStay) {
  TestSession session(3);
  Neighbour neighbour(session);
  {
    GreetedWorker one(session);
    const GreetedWorker other(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    EXPECT_EQ(session.tokens_available(), 2) << "for the idle workers";
    EXPECT_TRUE(falls_asleep(session.broker()));
    const long before = sleeps(session.broker());
    // A while, in which something else happens.
    for (int i = 0; i < 100; ++i) EXPECT_EQ(Child([] { return 0; }).wait_exit(), 0);
    EXPECT_LE(sleeps(session.broker()), before + 1) << "the sleep that it was in is counted late";
    one.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
  }
  session.expect_end();
}

TEST(BrokerStarts, TheFirstWantOfABegunWorkerIsGrantedAtOnce) {
  TestSession session(2);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker holds(session);
    GreetedWorker waits(session);
    holds.expect_granted();
    waits.tell("want");
    GreetedWorker a(session, "a");
    a.expect_granted();
    EXPECT_FALSE(waits.has_answer());
    a.tell("done");
    EXPECT_EQ(waits.answer(), "grant");
    a.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(a.has_answer()) << "its second want is as any other's";
    holds.tell("done");
    EXPECT_EQ(a.answer(), "grant");
  }
  session.expect_end();
}

TEST(BrokerStarts, AWorkerThatComesBeforeItHasBegunWaitsLikeOthers) {
  TestSession session(1);
  {
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker b(session, "b");
    b.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(b.has_answer());
    session.cancel("a");
    EXPECT_EQ(b.answer(), "grant");
    EXPECT_THAT(session.sync(), IsEmpty()) << "it is there, and is not begun any more";
  }
  session.expect_end();
}

TEST(BrokerStarts, CancelGivesTheSlotBack) {
  TestSession session(3);
  session.start({"a", "b", "c", "d", "e", "f"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  session.cancel("d");
  session.cancel("nobody");
  EXPECT_THAT(session.sync(), IsEmpty());
  session.cancel("b");
  EXPECT_EQ(hear(session.controller()), "begin e");
  session.cancel("a");
  EXPECT_EQ(hear(session.controller()), "begin f");
  for (const char* name : {"c", "e", "f"}) session.cancel(name);
  EXPECT_TRUE(session.eventually_available(2));
  {
    GreetedWorker worker(session);
    worker.expect_granted();
    EXPECT_EQ(session.tokens_available(), 2) << "the implicit slot is free too";
  }
  session.expect_end();
}

TEST(BrokerStarts, CancelComesTooLateForAWorkerThatIsThere) {
  TestSession session(1);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker a(session, "a");
    session.cancel("a");
    EXPECT_THAT(session.sync(), IsEmpty());
    GreetedWorker other(session);
    other.tell("want");
    a.expect_granted();
    EXPECT_FALSE(other.has_answer());
  }
  session.expect_end();
}

TEST(BrokerStarts, ANameThatIsGivenAgainTakesTheEarlierStartBack) {
  TestSession session(2);
  session.start({"a", "b", "a"});
  std::vector<std::string> begun = session.sync();
  EXPECT_EQ(begun.back(), "a");
  EXPECT_EQ(session.tokens_available(), 0) << "two have begun, not three";
  session.cancel("b");
  EXPECT_TRUE(session.eventually_available(1));
  session.expect_end();
}

TEST(BrokerStarts, MoreThanTheControllersSocketHoldsMessages) {
  constexpr unsigned kMany = 1000;
  TestSession session(kMany);
  std::vector<std::string> names;
  for (unsigned i = 0; i < kMany + 5; ++i) names.push_back("gw" + std::to_string(i));
  session.start(names);
  names.resize(kMany);
  EXPECT_EQ(session.sync(), names);
  EXPECT_EQ(session.tokens_available(), 0);
  session.cancel("gw7");
  EXPECT_EQ(hear(session.controller()), "begin gw1000");
  EXPECT_TRUE(falls_asleep(session.broker()));
  session.expect_end();
}

TEST(BrokerStarts, ByeEndsThemAll) {
  TestSession session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  {
    GreetedWorker a(session, "a");
    GreetedWorker b(session, "b");
    a.expect_granted();
    say(session.controller(), "bye");
    EXPECT_TRUE(session.eventually_available(1)) << "that of c";
    EXPECT_TRUE(session.broker().running());
    a.kill();
    EXPECT_TRUE(session.eventually_available(2)) << "b moves onto the implicit slot";
  }
  session.expect_ended();
  EXPECT_FALSE(can_hear(session.controller()) && hear(session.controller()) != "");
}

TEST(BrokerStarts, AfterByeNoneIsAccepted) {
  TestSession session(2);
  {
    GreetedWorker worker(session);
    worker.expect_granted();
    say(session.controller(), "bye");
    session.start({"a", "b", "c"});
    EXPECT_THAT(session.sync(), IsEmpty());
  }
  session.expect_ended();
}

TEST(BrokerStarts, TheControllerIsKilled) {
  TestSession session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  GreetedWorker a(session, "a");
  GreetedWorker b(session, "b");
  b.expect_granted();
  session.kill_controller();
  for (Worker* worker : {&a, &b}) EXPECT_TRUE(worker->process().wait());
  session.expect_ended();
}

TEST(BrokerStarts, TheControllerIsKilledBeforeTheBrokerHasReadThem) {
  TestSession session(3);
  GreetedWorker worker(session);
  stop(worker.process());  // So that it outlives the SIGINT that it will get.
  stop(session.broker());
  session.start({"a", "b", "c", "d"});
  session.kill_controller();
  session.broker().signal(SIGCONT);
  EXPECT_TRUE(falls_asleep(session.broker()));
  worker.process().signal(SIGCONT);
  EXPECT_TRUE(worker.process().wait());
  session.expect_ended();
}

TEST(BrokerStarts, AControllerThatCannotHearItTakesNoMoreSlots) {
  TestSession session(2);
  session.start({"a", "b", "c", "d"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b"));
  {
    GreetedWorker a(session, "a");
    GreetedWorker b(session, "b");
    session.controller().reset();
    for (Worker* worker : {&a, &b}) worker->expect_granted();
    GreetedWorker one(session);
    for (Worker* worker : {&a, &b}) worker->kill();
    one.expect_granted();
    EXPECT_TRUE(session.eventually_available(1)) << "none is begun any more";
  }
  session.expect_ended();
}

TEST(BrokerStarts, AWorkerThatLosesItsSocketBeforeItsFirstWantKeepsItsSlot) {
  TestSession session(1);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker a(session, "a");
    GreetedWorker other(session);
    a.close();
    other.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(other.has_answer()) << "the process lives, and works";
    a.connect();
    a.greet("a");
    EXPECT_EQ(other.answer(), "grant");
  }
  session.expect_end();
}

}  // namespace
}  // namespace jobslots
