#include "jobslots/ledger.h"

#include <gmock/gmock.h>

#include <string>

namespace jobslots {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

/// An action as a word: "grant 1", "begin 1", "return a", "refuse 1".
std::string to_word(const Ledger::Action& action) {
  if (const auto* grant = std::get_if<Ledger::Grant>(&action)) {
    return "grant " + std::to_string(grant->client);
  }
  if (const auto* begin = std::get_if<Ledger::Begin>(&action)) {
    return "begin " + std::to_string(begin->client);
  }
  if (const auto* token = std::get_if<Ledger::ReturnToken>(&action)) {
    return std::string("return ") + token->token;
  }
  return "refuse " + std::to_string(std::get<Ledger::Refuse>(action).client);
}

/// A ledger with clients 1 to 4, in virtual time.
class LedgerTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;

  LedgerTest() {
    for (Ledger::ClientId client = 1; client <= 4; ++client) ledger_.join(client);
  }
  Words join(Ledger::ClientId client) { return words(ledger_.join(client)); }
  Words join_as(Ledger::ClientId client, Ledger::ClientId started) {
    return words(ledger_.join_as(client, started, now_));
  }
  Words start(Ledger::ClientId client) { return words(ledger_.start(client)); }
  Words want(Ledger::ClientId client) { return words(ledger_.want(client, now_)); }
  Words done(Ledger::ClientId client) { return words(ledger_.done(client, now_)); }
  Words gone(Ledger::ClientId client) { return words(ledger_.gone(client, now_)); }
  Words token_read(char token) { return words(ledger_.token_read(token, now_)); }
  Words start_on_implicit_slot() { return words(ledger_.start_on_implicit_slot()); }
  Words implicit_slot_lost() { return words(ledger_.implicit_slot_lost(now_)); }
  bool may_start(std::size_t tokens_free) const { return ledger_.may_start(tokens_free, now_); }
  bool wants_token() const { return ledger_.wants_token(now_); }
  std::optional<Ledger::Time> next_deadline() const { return ledger_.next_deadline(now_); }
  void pass(Ledger::Time time) { now_ += time; }

  Ledger ledger_;
  Ledger::Time now_ = std::chrono::hours(1);

 private:
  static Words words(const Ledger::Actions& actions) {
    Words words;
    for (const Ledger::Action& action : actions) words.push_back(to_word(action));
    return words;
  }
};

using LedgerRule1 = LedgerTest;  // The implicit slot goes first.
using LedgerRule2 = LedgerTest;  // First come, first served.
using LedgerRule3 = LedgerTest;  // Tokens go back.
using LedgerRule4 = LedgerTest;  // A holder moves onto the implicit slot.
using LedgerRule5 = LedgerTest;  // Courtesy.
using LedgerRefusal = LedgerTest;
using LedgerWithoutImplicitSlot = LedgerTest;

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
    EXPECT_TRUE(ledger.wants_token(begin));
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
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
  want(3);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
  EXPECT_EQ(ledger_.tokens_held(), 1U);
}

TEST_F(LedgerRule4, AlsoWhenTheHolderOfTheImplicitSlotEnds) {
  want(1);
  want(2);
  token_read('a');
  EXPECT_THAT(gone(1), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
}

TEST_F(LedgerRule5, ATokenPassesFromClientToClientUntilTheLimit) {
  want(1);
  want(2);
  token_read('a');
  want(3);
  pass(Ledger::kHandOverLimit - Ledger::Time(1));
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
}

TEST_F(LedgerRule5, AtTheLimitTheTokenGoesBackThoughSomebodyWaits) {
  want(1);
  want(2);
  token_read('a');
  want(3);
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
}

TEST_F(LedgerRule5, HandOversDoNotMakeATokenYounger) {
  want(1);
  want(2);
  token_read('a');
  pass(milliseconds(60));
  want(3);
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
  pass(milliseconds(60));
  want(2);
  EXPECT_THAT(done(3), ElementsAre("return a"));
}

TEST_F(LedgerRule5, ATokenTakenTooSoonForMakeIsAsOldAsTheOneReturned) {
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
  want(3);
  pass(std::chrono::hours(1));
  EXPECT_EQ(ledger_.state_of(2), Ledger::State::kHolding);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerRule5, ThenNoTokenIsWantedForTheLengthOfThePause) {
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
  pass(milliseconds(1));
  done(2);
  want(3);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerRule5, TheImplicitSlotPassesOnDuringThePause) {
  want(1);
  want(2);
  token_read('a');
  want(3);
  pass(Ledger::kHandOverLimit);
  done(2);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
  EXPECT_EQ(next_deadline(), std::nullopt) << "nobody waits any more";
}

TEST_F(LedgerRule5, TokensTakenLaterHaveALimitOfTheirOwn) {
  want(1);
  want(2);
  token_read('a');
  pass(milliseconds(60));
  want(3);
  token_read('b');
  want(4);
  pass(milliseconds(60));
  EXPECT_THAT(done(2), ElementsAre("return a"));
  EXPECT_THAT(done(3), ElementsAre("grant 4")) << "b was read 60 ms ago";
}

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
  EXPECT_FALSE(ledger_.wants_to_start());
  EXPECT_THAT(start(7), IsEmpty());
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kToStart);
  EXPECT_TRUE(ledger_.wants_to_start());
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
  EXPECT_TRUE(ledger_.implicit_slot_free());
  EXPECT_THAT(start_on_implicit_slot(), ElementsAre("begin 7"));
  EXPECT_EQ(ledger_.state_of(7), Ledger::State::kStarting);
  EXPECT_FALSE(ledger_.implicit_slot_free());
  EXPECT_EQ(ledger_.holding(), 1U) << "its slot counts from here on";
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_FALSE(ledger_.wants_to_start());
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
  EXPECT_FALSE(ledger_.wants_to_start());
  EXPECT_FALSE(may_start(9));
  EXPECT_THAT(token_read('a'), ElementsAre("grant 2")) << "who waits is first";
  EXPECT_TRUE(ledger_.wants_to_start());
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
  EXPECT_FALSE(ledger_.implicit_slot_free());
  EXPECT_THAT(start_on_implicit_slot(), IsEmpty());
  EXPECT_FALSE(may_start(2)) << "two are idle";
  EXPECT_TRUE(may_start(3));
}

TEST_F(LedgerRule6, NobodyIsToBeStarted) { EXPECT_THAT(start_on_implicit_slot(), IsEmpty()); }

TEST_F(LedgerRule6, NotInTheCourtesyPause) {
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
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
  EXPECT_FALSE(ledger_.wants_to_start());
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
  EXPECT_FALSE(ledger_.wants_to_start());
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
  EXPECT_FALSE(ledger_.wants_to_start());
}

TEST_F(LedgerStarts, CancelOnTheImplicitSlot) {
  begin_on_implicit_slot();
  EXPECT_THAT(gone(7), IsEmpty());
  EXPECT_TRUE(ledger_.implicit_slot_free());
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
  EXPECT_FALSE(ledger_.implicit_slot_free());
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
  want(1);
  want(2);
  token_read('a');
  want(3);
  implicit_slot_lost();
  EXPECT_THAT(done(2), IsEmpty());
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
}

TEST_F(LedgerWithoutImplicitSlot, AnOldTokenGoesBackBeforeItCoversTheUncoveredClient) {
  want(1);
  want(2);
  token_read('a');
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
  want(1);
  want(2);
  token_read('a');
  implicit_slot_lost();
  EXPECT_THAT(done(1), IsEmpty());
  EXPECT_EQ(ledger_.tokens_held(), 1U);
  EXPECT_THAT(done(2), ElementsAre("return a"));
}

}  // namespace
}  // namespace jobslots
