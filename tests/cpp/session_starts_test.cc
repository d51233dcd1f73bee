/// Workers that the controller wants to start, without sockets and processes.

#include "session_fixture.h"

namespace jobslots {
namespace {

using SessionStarts = test::SessionTest;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(SessionStarts, AsManyAsThereAreSlotsAndThenSynced) {
  EXPECT_THAT(controller_said("start a"), ElementsAre("0: begin a"));
  EXPECT_THAT(controller_said("start b"), ElementsAre("0: begin b"));
  EXPECT_THAT(controller_said("start c"), ElementsAre("0: begin c"));
  EXPECT_THAT(controller_said("start d"), IsEmpty());
  EXPECT_THAT(controller_said("sync"), ElementsAre("0: synced"));
  EXPECT_THAT(tokens_, IsEmpty()) << "their slots are taken before they are there";
}

TEST_F(SessionStarts, SyncedComesAfterThemAlsoWhereTokensComeFreeJustThen) {
  tokens_.clear();
  controller_said("start a");
  controller_said("start b");
  tokens_.push_back('a');
  EXPECT_THAT(controller_said("sync"), ElementsAre("0: begin b", "0: synced"));
}

TEST_F(SessionStarts, TheFirstWantOfABegunWorkerIsGrantedAtOnce) {
  tokens_.clear();
  controller_said("start a");
  const Client waits = greeted("gw0");
  said(waits, "want");
  const Client a = greeted("a");
  EXPECT_THAT(said(a, "want"), ElementsAre("3: grant"));
  EXPECT_THAT(said(a, "done"), ElementsAre("2: grant"));
}

TEST_F(SessionStarts, AWorkerThatComesBeforeItHasBegunWaitsLikeOthers) {
  tokens_.clear();
  controller_said("start a");
  controller_said("start b");
  const Client b = greeted("b");
  EXPECT_THAT(said(b, "want"), IsEmpty());
  EXPECT_THAT(controller_said("cancel a"), ElementsAre(std::to_string(b) + ": grant"));
}

TEST_F(SessionStarts, CancelAndEndedGiveTheSlotBack) {
  for (const char* name : {"a", "b", "c", "d", "e"}) controller_said(std::string("start ") + name);
  EXPECT_THAT(controller_said("cancel nobody"), IsEmpty());
  EXPECT_THAT(controller_said("cancel e"), IsEmpty());
  EXPECT_THAT(controller_said("ended b"), ElementsAre("return a", "0: begin d"));
  EXPECT_THAT(controller_said("cancel c"), ElementsAre("return b"));
}

TEST_F(SessionStarts, CancelComesTooLateForAWorkerThatIsThere) {
  controller_said("start a");
  const Client a = greeted("a");
  EXPECT_THAT(controller_said("cancel a"), IsEmpty());
  EXPECT_THAT(said(a, "want"), ElementsAre("2: grant"));
}

TEST_F(SessionStarts, ANameThatIsGivenAgainTakesTheEarlierStartBack) {
  controller_said("start a");
  EXPECT_THAT(controller_said("start a"), ElementsAre("0: begin a"));
  EXPECT_EQ(tokens_.size(), 2U) << "one has begun, not two";
}

TEST_F(SessionStarts, NotOnTheSlotThatAWorkerBetweenTwoTestsWillWant) {
  tokens_ = {'a'};
  const Client idle = greeted();
  EXPECT_THAT(controller_said("start a"), ElementsAre("0: begin a")) << "two slots are free";
  EXPECT_THAT(controller_said("start b"), IsEmpty()) << "the other one is for the worker";
  EXPECT_THAT(said(idle, "want"), ElementsAre("1: grant"));
  EXPECT_THAT(said(idle, "done"), ElementsAre("return a"));
  EXPECT_THAT(gone(idle), ElementsAre("drop 1", "0: begin b"));
}

TEST_F(SessionStarts, ByeEndsThemAllAndNoneIsAcceptedAfterwards) {
  for (const char* name : {"a", "b", "c", "d"}) controller_said(std::string("start ") + name);
  EXPECT_THAT(controller_said("bye"), testing::UnorderedElementsAre("return a", "return b"));
  EXPECT_THAT(controller_said("start e"), IsEmpty());
  EXPECT_TRUE(session_.over());
}

TEST_F(SessionStarts, TheControllersDeathEndsThem) {
  for (const char* name : {"a", "b", "c", "d"}) controller_said(std::string("start ") + name);
  const Client a = greeted("a");
  EXPECT_THAT(gone(Session::kController),
              ElementsAre("drop 0", "interrupt " + std::to_string(a), "return a", "return b"));
  EXPECT_EQ(session_.tokens().size(), 1U) << "for the worker that was on the implicit slot";
}

TEST_F(SessionStarts, AControllerThatCannotHearItTakesNoMoreSlots) {
  controller_said("start a");
  controller_said("start b");
  const Client a = greeted("a");
  said(a, "want");
  EXPECT_THAT(hung_up(Session::kController), ElementsAre("hang up 0", "return a"));
  EXPECT_THAT(said(a, "done"), IsEmpty());
  EXPECT_THAT(said(greeted(), "want"), ElementsAre("4: grant"));
}

TEST_F(SessionStarts, AStartThatIsTakenBackIsInNoSum) {
  controller_said("start a");
  pass(std::chrono::seconds(1));
  controller_said("cancel a");
  EXPECT_THAT(controller_said("sum"), ElementsAre("0: summed 1 1000000000 0 0"));
}

}  // namespace
}  // namespace jobslots
