/// The rules of the ledger for clients that are to be started.

#include "ledger_fixture.h"

namespace jobslots {
namespace {

using test::LedgerTest;
using testing::ElementsAre;
using testing::IsEmpty;

/// Rule 6: clients that are to be started. Of the four clients only the first two are there.
class LedgerRule6 : public LedgerTest {
 protected:
  LedgerRule6() {
    gone(3);
    gone(4);
  }
  /// Client 7 is starting on the implicit slot.
  void begin_on_implicit_slot() {
    start(7);
    EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 7"));
  }
  /// Client 8 is starting on token a, client 7 on the implicit slot.
  void begin_on_token() {
    begin_on_implicit_slot();
    start(8);
    EXPECT_THAT(token_read('a'), ElementsAre("begin 8"));
  }
};
using LedgerStarts = LedgerRule6;

TEST_F(LedgerRule6, AStartTakesNoSlotByItself) {
  EXPECT_FALSE(wants_to_start());
  EXPECT_THAT(start(7), IsEmpty());
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kToStart);
  EXPECT_TRUE(wants_to_start());
  EXPECT_FALSE(wants_token()) << "no token is wanted for it as for a client that waits";
  EXPECT_EQ(ledger_.holding(), 0U);
  EXPECT_EQ(ledger_.clients(), 3U);
}

TEST_F(LedgerRule6, OnlyWithMoreFreeSlotsThanIdleClients) {
  EXPECT_FALSE(may_start(9)) << "nobody is to be started";
  start(7);
  EXPECT_FALSE(may_start(0)) << "two idle clients, and the implicit slot is free";
  EXPECT_FALSE(may_start(1));
  EXPECT_TRUE(may_start(2));
  want(1);
  EXPECT_FALSE(may_start(1)) << "one is idle, and the implicit slot is in use";
  EXPECT_TRUE(may_start(2));
  gone(2);
  EXPECT_FALSE(may_start(0));
  EXPECT_TRUE(may_start(1)) << "nobody is idle";
}

TEST_F(LedgerRule6, TheFirstOfASessionStartsOnTheImplicitSlotWithoutAnyToken) {
  gone(1);
  gone(2);
  start(7);
  EXPECT_TRUE(may_start(0));
  EXPECT_TRUE(implicit_slot_free());
  EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 7"));
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kStarting);
  EXPECT_FALSE(implicit_slot_free());
  EXPECT_EQ(ledger_.holding(), 1U) << "its slot counts from here on";
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_FALSE(wants_to_start());
}

TEST_F(LedgerRule6, ATokenThatIsReadBeginsTheNextStart) {
  want(1);
  start(7);
  EXPECT_THAT(token_read('a'), ElementsAre("begin 7"));
  EXPECT_EQ(ledger_.holding(), 2U);
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_THAT(token_read('b'), ElementsAre("return b"));
}

TEST_F(LedgerRule6, StartsBeginInTheirOrder) {
  for (const Ledger::ClientId client : {9U, 7U, 8U}) start(client);
  EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 9"));
  EXPECT_THAT(token_read('a'), ElementsAre("begin 7"));
  EXPECT_THAT(token_read('b'), ElementsAre("begin 8"));
}

TEST_F(LedgerRule6, NotWhileSomebodyWaits) {
  want(1);
  want(2);
  start(7);
  EXPECT_FALSE(wants_to_start());
  EXPECT_FALSE(may_start(9));
  EXPECT_THAT(token_read('a'), ElementsAre("grant 2")) << "who waits is first";
  EXPECT_TRUE(wants_to_start());
  EXPECT_TRUE(may_start(1));
}

TEST_F(LedgerRule6, NotWhileAClientIsUncovered) {
  want(1);
  gone(2);
  implicit_slot_lost();
  start(7);
  EXPECT_FALSE(may_start(9));
  EXPECT_THAT(token_read('a'), IsEmpty()) << "it covers client 1";
  EXPECT_TRUE(may_start(1));
}

TEST_F(LedgerRule6, NotOnAnImplicitSlotThatIsInUseOrLost) {
  start(7);
  want(1);
  EXPECT_THAT(start_on_implicit_slot(), IsEmpty());
  done(1);
  implicit_slot_lost();
  EXPECT_FALSE(implicit_slot_free());
  EXPECT_THAT(start_on_implicit_slot(), IsEmpty());
  EXPECT_FALSE(may_start(2)) << "two are idle";
  EXPECT_TRUE(may_start(3));
}

TEST_F(LedgerRule6, NobodyIsToBeStarted) { EXPECT_THAT(start_on_implicit_slot(), IsEmpty()); }

TEST_F(LedgerRule6, NotInTheCourtesyPause) {
  two_work();
  start(7);
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(done(2), ElementsAre("return a"));
  gone(2);
  EXPECT_FALSE(may_start(1));
  EXPECT_EQ(next_deadline(), now_ + Ledger::kCourtesyPause) << "to be tried again then";
  pass(Ledger::kCourtesyPause - Ledger::Time(1));
  EXPECT_FALSE(may_start(1));
  pass(Ledger::Time(1));
  EXPECT_TRUE(may_start(1));
  EXPECT_EQ(next_deadline(), std::nullopt);
}

TEST_F(LedgerRule6, AFreeTokenGoesBackThoughAStartIsPending) {
  two_work();
  start(7);
  EXPECT_THAT(done(2), ElementsAre("return a")) << "make has the choice";
}

TEST_F(LedgerRule6, AStartingClientIsNotIdle) {
  begin_on_token();
  start(9);
  EXPECT_FALSE(may_start(2));
  EXPECT_TRUE(may_start(3)) << "only clients 1 and 2 are idle";
}

TEST_F(LedgerStarts, TheFirstWantIsGrantedAtOnceThoughOthersWait) {
  begin_on_token();
  want(1);
  EXPECT_THAT(want(8), ElementsAre("grant 8"));
  EXPECT_EQ(ledger_.state_of(1), Ledger::State::kWaiting);
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_THAT(want(8), ElementsAre("refuse 8"));
  EXPECT_THAT(done(8), ElementsAre("grant 1"));
  EXPECT_THAT(want(8), IsEmpty()) << "its second want is as any other's";
}

TEST_F(LedgerStarts, AStartedClientJoinsWithItsSlot) {
  begin_on_token();
  EXPECT_THAT(join_as(5, 8), IsEmpty());
  EXPECT_EQ(ledger_.state_of(8), Ledger::State::kUnknown);
  EXPECT_EQ(ledger_.state_of(5), Ledger::State::kStarting);
  EXPECT_EQ(ledger_.holding(), 2U);
  EXPECT_THAT(want(5), ElementsAre("grant 5"));
  EXPECT_THAT(done(5), ElementsAre("return a"));
}

TEST_F(LedgerStarts, JoiningAsOneThatIsNotKnownIsJoining) {
  EXPECT_THAT(join_as(5, 99), IsEmpty());
  EXPECT_EQ(ledger_.state_of(5), Ledger::State::kIdle);
  EXPECT_EQ(ledger_.state_of(99), Ledger::State::kUnknown);
  EXPECT_EQ(ledger_.clients(), 3U);
}

TEST_F(LedgerStarts, JoiningAsOneThatHasNotBegunEndsTheStart) {
  start(7);
  EXPECT_THAT(join_as(5, 7), IsEmpty());
  EXPECT_EQ(ledger_.state_of(5), Ledger::State::kIdle);
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kUnknown);
  EXPECT_FALSE(wants_to_start());
  EXPECT_THAT(start_on_implicit_slot(), IsEmpty());
}

TEST_F(LedgerStarts, JoiningTwice) {
  begin_on_implicit_slot();
  EXPECT_THAT(join_as(1, 7), ElementsAre("refuse 1"));
  EXPECT_EQ(ledger_.state_of(1), Ledger::State::kIdle);
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kStarting);
}

TEST_F(LedgerStarts, StartingWhoIsThereAlready) {
  EXPECT_THAT(start(1), ElementsAre("refuse 1"));
  EXPECT_EQ(ledger_.state_of(1), Ledger::State::kIdle);
  start(7);
  EXPECT_THAT(start(7), ElementsAre("refuse 7"));
  EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 7"));
  EXPECT_THAT(start(7), ElementsAre("refuse 7"));
  EXPECT_FALSE(wants_to_start());
}

TEST_F(LedgerStarts, WhatAClientToBeStartedMayNotDo) {
  start(7);
  EXPECT_THAT(want(7), ElementsAre("refuse 7"));
  EXPECT_THAT(done(7), ElementsAre("refuse 7"));
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kToStart);
  start_on_implicit_slot();
  EXPECT_THAT(done(7), ElementsAre("refuse 7")) << "it has a slot, but has not asked yet";
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kStarting);
}

TEST_F(LedgerStarts, CancelBeforeItBegins) {
  start(7);
  start(8);
  EXPECT_THAT(gone(7), IsEmpty());
  EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 8"));
  EXPECT_FALSE(wants_to_start());
}

TEST_F(LedgerStarts, CancelOnTheImplicitSlot) {
  begin_on_implicit_slot();
  EXPECT_THAT(gone(7), IsEmpty());
  EXPECT_TRUE(implicit_slot_free());
  EXPECT_THAT(want(1), ElementsAre("grant 1"));
}

TEST_F(LedgerStarts, CancelOnTheImplicitSlotThatAnotherMovesOnto) {
  begin_on_token();
  EXPECT_THAT(gone(7), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(8), Ledger::State::kStarting);
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_THAT(want(8), ElementsAre("grant 8"));
}

TEST_F(LedgerStarts, CancelOnATokenThatGoesBack) {
  begin_on_token();
  EXPECT_THAT(gone(8), ElementsAre("return a"));
  EXPECT_EQ(ledger_.holding(), 1U);
}

TEST_F(LedgerStarts, CancelOnATokenThatSomebodyWaitsFor) {
  begin_on_token();
  want(1);
  EXPECT_THAT(gone(8), ElementsAre("grant 1"));
}

TEST_F(LedgerStarts, CancelOnAnOldToken) {
  begin_on_token();
  want(1);
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(gone(8), ElementsAre("return a")) << "courtesy counts from the time it was read";
  EXPECT_FALSE(wants_token());
}

TEST_F(LedgerStarts, CancelOfOneThatIsNotKnown) { EXPECT_THAT(gone(99), IsEmpty()); }

TEST_F(LedgerStarts, TheImplicitSlotIsLostUnderOneThatIsStarting) {
  begin_on_implicit_slot();
  EXPECT_THAT(implicit_slot_lost(), IsEmpty());
  EXPECT_TRUE(wants_token());
  EXPECT_THAT(join_as(5, 7), IsEmpty());
  EXPECT_TRUE(wants_token()) << "client 5 is the uncovered one now";
  EXPECT_THAT(want(5), ElementsAre("grant 5")) << "it works already";
  EXPECT_THAT(token_read('a'), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(done(5), ElementsAre("return a"));
}

TEST_F(LedgerStarts, TheImplicitSlotIsLostUnderOneThatIsCancelledThen) {
  begin_on_implicit_slot();
  implicit_slot_lost();
  EXPECT_THAT(gone(7), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_FALSE(implicit_slot_free());
}

}  // namespace
}  // namespace jobslots
