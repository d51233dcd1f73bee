/// The real `jobslots broker`, spoken to as the pytest plugin does: slots, ends, closed sockets.

#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "broker_support.h"

namespace jobslots {
namespace {

using test::GreetedWorker;
using test::say;
using test::TestSession;
using test::wait_until_served;
using test::Worker;

TEST(Broker, WelcomesTheControllerWithTheSlotsAndThePath) {
  TestSession session(3);
  struct stat status {};
  ASSERT_EQ(stat(session.path().c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  session.expect_end();
}

TEST(Broker, TwoWorkersHaveTwoSlots) {
  TestSession session(2);
  {
    GreetedWorker one(session);
    GreetedWorker other(session);
    one.expect_granted();
    EXPECT_EQ(session.tokens_available(), 1) << "the implicit slot goes first";
    other.expect_granted();
    EXPECT_EQ(session.tokens_available(), 0);
    one.tell("done");
    other.tell("done");
    EXPECT_TRUE(session.eventually_available(1));
  }
  session.expect_end();
}

TEST(Broker, TheThirdWorkerWaitsForOneOfTwoSlots) {
  TestSession session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.expect_granted();
    three.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(three.has_answer());
    two.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end();
}

TEST(Broker, AWorkerWaitsForATokenThatMakeHasGivenToOthers) {
  TestSession session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(two.has_answer());
    one.tell("done");
    EXPECT_EQ(two.answer(), "grant");
  }
  session.expect_end();
}

TEST(Broker, ManyTurns) {
  TestSession session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    for (Worker* worker : {&one, &two, &three}) worker->tell("want");
    for (int i = 0; i < 300; ++i) {
      for (Worker* worker : {&one, &two, &three}) {
        std::string answer = worker->answer();
        if (answer == "yield") answer = worker->answer();  // Of the slot before, held for 10 ms.
        ASSERT_EQ(answer, "grant");
        worker->tell("done");
        worker->tell("want");
      }
    }
    EXPECT_LE(session.tokens_available(), 1);
  }
  session.expect_end();
}

TEST(Broker, WorkersThatEndAreForgotten) {
  TestSession session(2);
  for (int i = 0; i < 20; ++i) {
    GreetedWorker worker(session);
    worker.expect_granted();
  }
  session.expect_end();
}

TEST(BrokerAndDeath, AWorkerKilledWhileItHolds) {
  TestSession session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.expect_granted();
    three.tell("want");
    two.kill();  // The test keeps its socket, as a child of the worker would.
    EXPECT_EQ(three.answer(), "grant");
    one.kill();
    EXPECT_TRUE(session.eventually_available(1)) << "the third moves onto the implicit slot";
  }
  session.expect_end();
}

TEST(BrokerAndDeath, AWorkerKilledWhileItWaits) {
  TestSession session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    three.tell("want");
    two.kill();
    wait_until_served(session);
    one.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end();
}

TEST(BrokerAndDeath, AllWorkersKilledAfterTheControllerSaidBye) {
  TestSession session(3);
  GreetedWorker one(session);
  GreetedWorker two(session);
  GreetedWorker three(session);
  for (Worker* worker : {&one, &two, &three}) worker->expect_granted();
  EXPECT_EQ(session.tokens_available(), 0);
  say(session.controller(), "bye");
  for (Worker* worker : {&one, &two, &three}) worker->kill();
  session.expect_ended();
}

TEST(BrokerAndDeath, TheControllerIsKilled) {
  TestSession session(3);
  GreetedWorker holds_implicit(session);
  GreetedWorker holds_token(session);
  GreetedWorker idle(session);
  holds_implicit.expect_granted();
  holds_token.expect_granted();
  session.kill_controller();
  for (Worker* worker : {&holds_implicit, &holds_token, &idle}) {
    const auto status = worker->process().wait();
    ASSERT_TRUE(status && WIFSIGNALED(*status));
    EXPECT_EQ(WTERMSIG(*status), SIGINT);
  }
  session.expect_ended();
}

TEST(BrokerAndDeath, TheControllersSocketClosesButItLives) {
  TestSession session(2);
  {
    GreetedWorker worker(session);
    session.controller().reset();
    worker.expect_granted();
    EXPECT_TRUE(worker.process().running());
    EXPECT_TRUE(session.broker().running());
  }
  session.expect_ended();
}

TEST(BrokerAndClosedSockets, AWorkerThatLivesKeepsItsSlotAndReleasesItWithItsNextHello) {
  TestSession session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    one.close();
    wait_until_served(session);
    EXPECT_FALSE(two.has_answer());
    one.connect();
    one.greet();
    EXPECT_EQ(two.answer(), "grant");
    one.tell("want");
    two.tell("done");
    EXPECT_EQ(one.answer(), "grant");
  }
  session.expect_end();
}

TEST(BrokerAndClosedSockets, AWorkerThatLosesItsSocketAndThenDiesFreesItsSlot) {
  TestSession session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    one.close();
    one.kill();
    EXPECT_EQ(two.answer(), "grant");
  }
  session.expect_end();
}

TEST(BrokerAndClosedSockets, AWorkerThatWaitsLosesItsPlace) {
  TestSession session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    three.tell("want");
    two.close();
    wait_until_served(session);
    one.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end();
}

TEST(BrokerAndClosedSockets, AConnectionThatNeverSaysHelloKeepsNothingAlive) {
  TestSession session(2);
  const Worker silent(session);
  wait_until_served(session);
  session.expect_end();
}

}  // namespace
}  // namespace jobslots
