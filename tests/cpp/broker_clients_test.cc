/// The real `jobslots broker` and clients that break the protocol.

#include "broker_support.h"

namespace jobslots {
namespace {

using test::GreetedWorker;
using test::hear;
using test::kHello;
using test::kWelcome;
using test::RemoteProcess;
using test::say;
using test::TestSession;
using test::wait_until_served;
using test::Worker;
using testing::MatchesRegex;

/// Runs what a client must not do, and checks that another client is served before and after.
void expect_undisturbed(const std::function<void(TestSession&)>& misbehave) {
  TestSession session(2);
  {
    GreetedWorker good(session);
    good.expect_granted();
    misbehave(session);
    good.tell("done");
    good.expect_granted();
    good.tell("done");
  }
  EXPECT_TRUE(session.broker().running());
  session.expect_end();
}

TEST(BrokerAndBadClients, Garbage) {
  for (const std::string& garbage :
       {std::string("x"), std::string("\0", 1), std::string("want "), std::string("WANT"),
        std::string("\xff\xfe\n"), std::string("hello"), std::string("hello 999 worker gw0"),
        std::string("hello x worker gw0"), kHello + " controller", kHello, std::string("bye"),
        std::string("grant")}) {
    SCOPED_TRACE(garbage);
    expect_undisturbed([&garbage](TestSession& session) {
      Worker bad(session);
      bad.tell(garbage);
      bad.expect_refused();
    });
  }
}

TEST(BrokerAndBadClients, AnEmptyPacket) {
  expect_undisturbed([](TestSession& session) {
    Worker bad(session);
    bad.tell("");
    EXPECT_EQ(bad.answer(), "");
  });
}

TEST(BrokerAndBadClients, OverlongPackets) {
  expect_undisturbed([](TestSession& session) {
    for (const std::size_t size : {kMessageLimit + 1, std::size_t{100'000}}) {
      Worker bad(session);
      bad.tell(kHello + " worker " + std::string(size, 'x'));
      bad.expect_refused();
    }
  });
}

TEST(BrokerAndBadClients, ANameAsLongAsThePacketAllows) {
  expect_undisturbed([](TestSession& session) {
    Worker worker(session);
    std::string hello = kHello + " worker ";
    worker.tell(hello + std::string(kMessageLimit - hello.size(), 'x'));
    EXPECT_EQ(worker.answer(), kWelcome);
  });
}

TEST(BrokerAndClients, ANameWithBlanks) {
  TestSession session(2);
  session.start({"a b"});
  EXPECT_THAT(session.sync(), testing::ElementsAre("a b"));
  {
    GreetedWorker worker(session, "a b");
    worker.expect_granted();
    EXPECT_EQ(session.tokens_available(), 1) << "it works on the slot that it was started with";
    say(session.controller(), "sum");
    EXPECT_THAT(hear(session.controller()), MatchesRegex("worker a b [0-9]+ 0"));
    EXPECT_THAT(hear(session.controller()), MatchesRegex("summed 1 [0-9]+ 0 0"));
  }
  session.expect_end();
}

TEST(BrokerAndBadClients, WantAndDoneBeforeHello) {
  expect_undisturbed([](TestSession& session) {
    for (const char* message : {"want", "done"}) {
      Worker bad(session);
      bad.tell(message);
      EXPECT_EQ(bad.answer(), "refused say hello first");
      EXPECT_EQ(bad.answer(), "");
    }
  });
}

TEST(BrokerAndBadClients, HelloTwice) {
  expect_undisturbed([](TestSession& session) {
    GreetedWorker bad(session);
    bad.tell(kHello + " worker gw0");
    bad.expect_refused();
  });
}

TEST(BrokerAndBadClients, DoneWithoutASlot) {
  expect_undisturbed([](TestSession& session) {
    GreetedWorker bad(session);
    bad.tell("done");
    bad.expect_refused();
  });
}

TEST(BrokerAndBadClients, AThousandWants) {
  expect_undisturbed([](TestSession& session) {
    GreetedWorker bad(session);
    bad.tell("want");
    EXPECT_EQ(bad.answer(), "grant");
    // The queue of a socket is short: the broker closes the connection while they are being sent.
    for (int i = 0; i < 1000 && bad.tell("want"); ++i) continue;
    EXPECT_THAT(bad.answer(), MatchesRegex("refused .*|"));
    wait_until_served(session);
    EXPECT_EQ(session.tokens_available(), 0) << "it may still work on the slot that it has";
    bad.kill();
    EXPECT_TRUE(session.eventually_available(1));
  });
}

TEST(BrokerAndBadClients, ConnectionsThatComeAndGo) {
  expect_undisturbed([](TestSession& session) {
    RemoteProcess process;
    for (int i = 0; i < 200; ++i) {
      const UniqueFd socket = process.connect(session.path());
      if (i % 2 == 0) say(socket, kHello + " worker gw0");
      if (i % 4 == 0) say(socket, "want");
    }
  });
}

}  // namespace
}  // namespace jobslots
