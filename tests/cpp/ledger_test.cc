/// The rules of the ledger: who gets a slot, and when tokens go back.

#include "ledger_fixture.h"

namespace jobslots {
namespace {

using std::chrono::milliseconds;
using test::LedgerTest;
using testing::ElementsAre;
using testing::IsEmpty;

using LedgerRule1 = LedgerTest;  // The implicit slot goes first.
using LedgerRule2 = LedgerTest;  // First come, first served.
using LedgerRule3 = LedgerTest;  // Tokens go back.
using LedgerRule4 = LedgerTest;  // A holder moves onto the implicit slot.
using LedgerRule5 = LedgerTest;  // Courtesy.
using LedgerRefusal = LedgerTest;

TEST_F(LedgerTest, NothingIsWantedAtFirst) {
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(next_deadline(), std::nullopt);
  EXPECT_EQ(ledger_.clients(), 4U);
  EXPECT_EQ(ledger_.waiting(), 0U);
  EXPECT_EQ(ledger_.holding(), 0U);
  EXPECT_EQ(ledger_.tokens_held(), 0U);
}

TEST_F(LedgerTest, TheStatesOfAClient) {
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kUnknown);
  EXPECT_THAT(join(9), IsEmpty());
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kIdle);
  want(1);
  want(9);
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kWaiting);
  token_read('a');
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kHolding);
  done(9);
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kIdle);
  gone(9);
  EXPECT_EQ(ledger_.state_of(9), Ledger::State::kUnknown);
}

TEST_F(LedgerTest, TimeMayBeginAnywhere) {
  for (const Ledger::Time begin :
       {Ledger::Time(0), Ledger::Time(-1), Ledger::Time::min() / 2, Ledger::Time::max() / 2}) {
    Ledger ledger;
    ledger.join(1);
    ledger.join(2);
    ledger.want(1, begin);
    ledger.want(2, begin);
    EXPECT_EQ(ledger.need(begin).of, Ledger::Need::Of::kAnyToken);
  }
}

TEST_F(LedgerRule1, TheFirstClientIsGrantedWithoutAToken) {
  EXPECT_THAT(want(1), ElementsAre("grant 1"));
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_FALSE(wants_token());
}

TEST_F(LedgerRule1, ATokenIsWantedOnlyWhenTheImplicitSlotIsInUseAndAClientWaits) {
  want(1);
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(want(2), IsEmpty());
  EXPECT_TRUE(wants_token());
  EXPECT_THAT(token_read('a'), ElementsAre("grant 2"));
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(ledger_.holding(), 2U);
  EXPECT_EQ(ledger_.tokens_held(), 1U);
}

TEST_F(LedgerRule1, TheImplicitSlotPassesToWhoWaits) {
  want(1);
  want(2);
  EXPECT_THAT(done(1), ElementsAre("grant 2"));
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(ledger_.tokens_held(), 0U);
}

TEST_F(LedgerRule1, TheImplicitSlotHasNoHandOverLimit) {
  want(1);
  want(2);
  pass(std::chrono::hours(1));
  EXPECT_THAT(done(1), ElementsAre("grant 2"));
}

TEST_F(LedgerRule2, ClientsAreServedInTheOrderInWhichTheyAsked) {
  want(3);
  want(2);
  want(4);
  want(1);
  EXPECT_THAT(token_read('a'), ElementsAre("grant 2"));
  EXPECT_THAT(done(3), ElementsAre("grant 4"));
  EXPECT_THAT(done(2), ElementsAre("grant 1"));
}

TEST_F(LedgerRule2, WhoAsksAgainIsLast) {
  want(1);
  want(2);
  want(3);
  done(1);
  want(1);
  EXPECT_THAT(token_read('a'), ElementsAre("grant 3"));
  EXPECT_THAT(token_read('b'), ElementsAre("grant 1"));
}

TEST_F(LedgerRule2, WhoEndsWhileItWaitsIsPassedOver) {
  want(1);
  want(2);
  want(3);
  EXPECT_THAT(gone(2), IsEmpty());
  EXPECT_EQ(ledger_.waiting(), 1U);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
}

TEST_F(LedgerRule3, AFreeTokenGoesBackAtOnceWhereNobodyWaits) {
  two_work();
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_EQ(ledger_.tokens_held(), 0U);
}

TEST_F(LedgerRule3, ATokenThatNobodyNeedsAnyMoreComesStraightBack) {
  EXPECT_THAT(token_read('a'), ElementsAre("return a"));
  want(1);
  EXPECT_THAT(token_read('b'), ElementsAre("return b"));
  want(2);
  gone(2);
  EXPECT_THAT(token_read('c'), ElementsAre("return c"));
}

TEST_F(LedgerRule3, EachClientsTokenIsTheByteThatWasRead) {
  want(1);
  want(2);
  want(3);
  token_read('a');
  token_read('b');
  EXPECT_THAT(done(3), ElementsAre("return b"));
  EXPECT_THAT(done(2), ElementsAre("return a"));
}

TEST_F(LedgerRule3, TheTokenOfAClientThatEndsIsFree) {
  want(1);
  want(2);
  want(3);
  token_read('a');
  EXPECT_THAT(gone(2), ElementsAre("grant 3"));
  EXPECT_THAT(gone(3), ElementsAre("return a"));
  EXPECT_EQ(ledger_.clients(), 2U);
}

TEST_F(LedgerRule3, TheImplicitSlotOfAClientThatEndsIsFree) {
  want(1);
  want(2);
  EXPECT_THAT(gone(1), ElementsAre("grant 2"));
  EXPECT_THAT(gone(2), IsEmpty());
  EXPECT_THAT(want(3), ElementsAre("grant 3"));
}

TEST_F(LedgerRule4, AHolderOfATokenMovesOntoTheFreeImplicitSlot) {
  two_work();
  EXPECT_THAT(done(1), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_THAT(done(2), IsEmpty()) << "it held the implicit slot";
  EXPECT_THAT(want(1), ElementsAre("grant 1"));
}

TEST_F(LedgerRule4, OnlyOneHolderMoves) {
  want(1);
  want(2);
  want(3);
  token_read('a');
  token_read('b');
  EXPECT_EQ(done(1).size(), 1U);
  EXPECT_EQ(ledger_.holding(), 2U);
  EXPECT_EQ(ledger_.tokens_held(), 1U);
}

TEST_F(LedgerRule4, NobodyMovesWhileSomebodyWaits) {
  two_work();
  want(3);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
  EXPECT_EQ(ledger_.tokens_held(), 1U);
}

TEST_F(LedgerRule4, AlsoWhenTheHolderOfTheImplicitSlotEnds) {
  two_work();
  EXPECT_THAT(gone(1), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
}

TEST_F(LedgerRule5, ATokenPassesFromClientToClientUntilTheLimit) {
  two_work();
  want(3);
  pass(Ledger::kHandOverLimit - Ledger::Time(1));
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
}

TEST_F(LedgerRule5, AtTheLimitTheTokenGoesBackThoughSomebodyWaits) {
  two_work();
  want(3);
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
}

TEST_F(LedgerRule5, HandOversDoNotMakeATokenYounger) {
  two_work();
  pass(milliseconds(60));
  want(3);
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
  pass(milliseconds(60));
  want(2);
  EXPECT_THAT(done(3), ElementsAre("return a"));
}

TEST_F(LedgerRule5, ATokenTakenTooSoonForMakeIsAsOldAsTheOneReturned) {
  two_work();
  pass(milliseconds(60));
  EXPECT_THAT(done(2), ElementsAre("return a"));  // Nobody waits.
  pass(Ledger::kTooSoonForMake - Ledger::Time(1));
  want(2);
  token_read('a');
  want(3);
  pass(milliseconds(40));
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_FALSE(wants_token());
}

TEST_F(LedgerRule5, ATokenThatMakeCouldHaveHadIsNewAgain) {
  two_work();
  pass(milliseconds(60));
  done(2);
  pass(Ledger::kTooSoonForMake);
  want(2);
  token_read('a');
  want(3);
  pass(milliseconds(40));
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
}

TEST_F(LedgerRule5, AClientMayKeepATokenAsLongAsItWorks) {
  two_work();
  want(3);
  pass(std::chrono::hours(1));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerRule5, ThenNoTokenIsWantedForTheLengthOfThePause) {
  two_work();
  want(3);
  pass(Ledger::kHandOverLimit);
  done(2);
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(next_deadline(), now_ + Ledger::kCourtesyPause);
  pass(Ledger::kCourtesyPause - Ledger::Time(1));
  EXPECT_FALSE(wants_token());
  EXPECT_EQ(next_deadline(), now_ + Ledger::Time(1));
  pass(Ledger::Time(1));
  EXPECT_TRUE(wants_token());
  EXPECT_EQ(next_deadline(), std::nullopt);
  EXPECT_THAT(token_read('b'), ElementsAre("grant 3"));
}

TEST_F(LedgerRule5, AYoungTokenThatGoesBackCausesNoPause) {
  two_work();
  pass(milliseconds(1));
  done(2);
  want(3);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerRule5, TheImplicitSlotPassesOnDuringThePause) {
  two_work();
  want(3);
  pass(Ledger::kHandOverLimit);
  done(2);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
  EXPECT_EQ(next_deadline(), std::nullopt) << "nobody waits any more";
}

TEST_F(LedgerRule5, TokensTakenLaterHaveALimitOfTheirOwn) {
  two_work();
  pass(milliseconds(60));
  want(3);
  token_read('b');
  want(4);
  pass(milliseconds(60));
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_THAT(done(3), ElementsAre("grant 4")) << "b was read 60 ms ago";
}

TEST_F(LedgerRefusal, AskingTwice) {
  want(1);
  EXPECT_THAT(want(1), ElementsAre("refuse 1")) << "it holds a slot";
  want(2);
  EXPECT_THAT(want(2), ElementsAre("refuse 2")) << "it waits";
  EXPECT_EQ(ledger_.waiting(), 1U);
  EXPECT_THAT(done(1), ElementsAre("grant 2"));
}

TEST_F(LedgerRefusal, GivingBackWhatItHasNot) {
  EXPECT_THAT(done(1), ElementsAre("refuse 1"));
  want(1);
  want(2);
  EXPECT_THAT(done(2), ElementsAre("refuse 2")) << "it only waits";
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kWaiting);
  done(1);
  EXPECT_THAT(done(1), ElementsAre("refuse 1"));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
}

TEST_F(LedgerRefusal, JoiningTwice) {
  want(1);
  EXPECT_THAT(join(1), ElementsAre("refuse 1"));
  EXPECT_EQ(ledger_.state_of(1), Ledger::State::kHolding);
}

TEST_F(LedgerRefusal, UnknownClients) {
  EXPECT_THAT(want(9), ElementsAre("refuse 9"));
  EXPECT_THAT(done(9), ElementsAre("refuse 9"));
  EXPECT_THAT(gone(9), IsEmpty());
  EXPECT_EQ(ledger_.clients(), 4U);
}

}  // namespace
}  // namespace jobslots
