/// The ledger of a session whose controller has died: make has the implicit slot back.

#include "ledger_fixture.h"

namespace jobslots {
namespace {

using LedgerWithoutImplicitSlot = test::LedgerTest;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(LedgerWithoutImplicitSlot, TheFirstClientNeedsAToken) {
  EXPECT_THAT(implicit_slot_lost(), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(want(1), IsEmpty());
  EXPECT_TRUE(wants_token());
  EXPECT_THAT(token_read('a'), ElementsAre("grant 1"));
  EXPECT_THAT(done(1), ElementsAre("return a"));
}

TEST_F(LedgerWithoutImplicitSlot, TheNextTokenIsForTheClientThatWorkedOnIt) {
  want(1);
  want(2);
  EXPECT_THAT(implicit_slot_lost(), IsEmpty());
  EXPECT_TRUE(wants_token());
  EXPECT_THAT(token_read('a'), IsEmpty()) << "client 1 was granted long ago";
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_TRUE(wants_token()) << "client 2 waits";
  EXPECT_THAT(token_read('b'), ElementsAre("grant 2"));
  EXPECT_THAT(done(1), ElementsAre("return a"));
  EXPECT_THAT(done(2), ElementsAre("return b"));
}

TEST_F(LedgerWithoutImplicitSlot, TheUncoveredClientNeedsATokenEvenWhereNobodyWaits) {
  want(1);
  EXPECT_FALSE(wants_token());
  implicit_slot_lost();
  EXPECT_TRUE(wants_token());
  token_read('a');
  EXPECT_FALSE(wants_token());
}

TEST_F(LedgerWithoutImplicitSlot, TheUncoveredClientIsDoneWithoutGivingAnything) {
  want(1);
  want(2);
  implicit_slot_lost();
  EXPECT_THAT(done(1), IsEmpty()) << "there is no slot to give to client 2";
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kWaiting);
  EXPECT_THAT(token_read('a'), ElementsAre("grant 2"));
  EXPECT_FALSE(wants_token());
}

TEST_F(LedgerWithoutImplicitSlot, TheUncoveredClientIsGone) {
  want(1);
  implicit_slot_lost();
  EXPECT_THAT(gone(1), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(token_read('a'), ElementsAre("return a"));
}

TEST_F(LedgerWithoutImplicitSlot, ATokenFreedHereCoversTheUncoveredClientBeforeOthers) {
  two_work();
  want(3);
  implicit_slot_lost();
  EXPECT_THAT(done(2), IsEmpty());
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
}

TEST_F(LedgerWithoutImplicitSlot, AnOldTokenGoesBackBeforeItCoversTheUncoveredClient) {
  two_work();
  implicit_slot_lost();
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(next_deadline(), now_ + Ledger::kCourtesyPause);
  pass(Ledger::kCourtesyPause);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerWithoutImplicitSlot, LosingItTwiceIsLosingItOnce) {
  want(1);
  implicit_slot_lost();
  token_read('a');
  EXPECT_THAT(implicit_slot_lost(), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(done(1), ElementsAre("return a"));
}

TEST_F(LedgerWithoutImplicitSlot, NobodyMovesOntoIt) {
  two_work();
  implicit_slot_lost();
  EXPECT_THAT(done(1), IsEmpty());
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_THAT(done(2), ElementsAre("return a"));
}

}  // namespace
}  // namespace jobslots
