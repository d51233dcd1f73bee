/// A session's rules about workers on other machines, whose connections the controller has made.

#include "session_fixture.h"

namespace jobslots {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionAndRemoteWorkers : public test::SessionTest {
 protected:
  /// All of them are of one process.
  Client remote_greeted(const std::string& name) {
    const Client client = session_.connected({1000, true});
    said(client, "hello 1 remote " + name);
    return client;
  }
};

TEST_F(SessionAndRemoteWorkers, LiveAsLongAsTheirConnections) {
  tokens_.clear();
  const Client remote = remote_greeted("gw0");
  EXPECT_THAT(said(remote, "want"), ElementsAre("1: grant"));
  said(greeted("gw1"), "want");
  EXPECT_THAT(hung_up(remote), ElementsAre("drop 1", "2: grant"));
}

TEST_F(SessionAndRemoteWorkers, AreNotOneForBeingOfOneProcess) {
  remote_greeted("gw0");
  EXPECT_THAT(said(session_.connected({1000, true}), "hello 1 remote gw1"),
              ElementsAre("2: welcome 1"));
}

TEST_F(SessionAndRemoteWorkers, AreTheControllersToSpeakFor) {
  EXPECT_THAT(said(connected(), "hello 1 remote gw0"),
              ElementsAre("1: refused only the controller speaks for a remote worker", "drop 1"));
}

TEST_F(SessionAndRemoteWorkers, GiveUpWhatTheyHeldWhenTheyComeAgain) {
  tokens_.clear();
  said(remote_greeted("gw0"), "want");
  said(greeted("gw1"), "want");
  EXPECT_THAT(said(session_.connected({1000, true}), "hello 1 remote gw0"),
              ElementsAre("drop 1", "3: welcome 1", "2: grant"));
}

TEST_F(SessionAndRemoteWorkers, TheProcessThatSpeaksForThemIsLeftAlone) {
  remote_greeted("gw0");
  remote_greeted("gw1");
  EXPECT_THAT(controller_said("lost gw0"), ElementsAre("drop 1"));
  EXPECT_THAT(gone(Session::kController), ElementsAre("drop 0"));
}

TEST_F(SessionAndRemoteWorkers, BeginOnTheSlotThatTheyAreStartedWith) {
  EXPECT_THAT(controller_said("start gw0"), ElementsAre("0: begin gw0"));
  EXPECT_THAT(said(remote_greeted("gw0"), "want"), ElementsAre("2: grant"));
}

TEST_F(SessionAndRemoteWorkers, AreAskedToYieldTheLaterTheFurtherTheyAre) {
  tokens_.clear();
  const Client remote = remote_greeted("gw0");
  const auto journey = std::chrono::milliseconds(10);
  pass(journey);
  said(remote, "want");
  said(remote, "done");
  said(remote, "want");
  said(greeted("gw1"), "want");
  pass(Ledger::kYieldAfter + Session::kWorthOfJourney * journey - std::chrono::nanoseconds(1));
  EXPECT_THAT(settled(), IsEmpty());
  pass(std::chrono::nanoseconds(1));
  EXPECT_THAT(settled(), ElementsAre("1: yield"));
}

TEST_F(SessionAndRemoteWorkers, TheirClocksAreOtherOnes) {
  session_.trace_opened(now_);
  const Client remote = remote_greeted("gw0");
  said(remote, "want test a.py::one");
  pass(std::chrono::seconds(1));
  said(remote, "next 1 passed test a.py::two");
  EXPECT_THAT(session_.take_trace(), testing::HasSubstr(R"("dur":1000000.000)"));
}

TEST_F(SessionAndRemoteWorkers, WhatTheyDoIsNotSeen) {
  tokens_.clear();
  said(remote_greeted("gw0"), "want");
  said(greeted("gw1"), "want");
  for (auto left = Stall::kLimitUnseen; left > Stall::kLimit; left -= Stall::kLimit) {
    pass(Stall::kLimit);
    EXPECT_THAT(settled(), IsEmpty());
  }
  pass(Stall::kLimit);
  EXPECT_THAT(settled(), testing::Contains("2: grant"));
}

}  // namespace
}  // namespace jobslots
