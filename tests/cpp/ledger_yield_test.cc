/// The rules of the ledger for slots that are kept, and for those that are lent.

#include "ledger_fixture.h"

namespace jobslots {
namespace {

using std::chrono::milliseconds;
using test::LedgerTest;
using testing::ElementsAre;
using testing::IsEmpty;

using LedgerRank = LedgerTest;   // Rule 2, of those that ask at once.
using LedgerRule8 = LedgerTest;  // A slot is lent.

/// Rule 7: a slot is kept. All four clients have started up.
class LedgerRule7 : public LedgerTest {
 protected:
  LedgerRule7() {
    for (Ledger::ClientId client = 1; client <= 4; ++client) {
      want(client);
      done(client);
    }
    pass(std::chrono::hours(1));
  }
};

TEST_F(LedgerRule7, NobodyIsAskedForTheImplicitSlotAlone) {
  want(1);
  EXPECT_EQ(next_deadline(), std::nullopt);
  pass(std::chrono::hours(1));
  EXPECT_THAT(settled(), IsEmpty());
}

TEST_F(LedgerRule7, AHolderIsAskedWhenAnotherWaitsAndItHasHadTheSlotForAWhile) {
  want(1);
  pass(milliseconds(4));
  EXPECT_EQ(next_deadline(), std::nullopt);
  want(2);
  EXPECT_EQ(next_deadline(), now_ + milliseconds(6));
  pass(milliseconds(6) - Ledger::Time(1));
  EXPECT_THAT(settled(), IsEmpty());
  pass(Ledger::Time(1));
  EXPECT_THAT(settled(), ElementsAre("yield 1"));
  EXPECT_THAT(settled(), IsEmpty()) << "once";
  EXPECT_EQ(next_deadline(), std::nullopt);
  EXPECT_THAT(done(1), ElementsAre("grant 2"));
}

TEST_F(LedgerRule7, WhoIsAskedOrHasNoSlotIsOneWhoMayWantOneSoon) {
  two_work();
  EXPECT_FALSE(ledger_.all_keep()) << "two have none";
  gone(3);
  gone(4);
  EXPECT_TRUE(ledger_.all_keep());
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(settled(), ElementsAre("yield 2"));
  EXPECT_FALSE(ledger_.all_keep()) << "who is asked wants the next one soon";
  done(2);
  EXPECT_FALSE(ledger_.all_keep());
}

TEST_F(LedgerRule7, WhoHasHadItsSlotForLongestIsAskedAndAsManyAsWait) {
  two_work();
  pass(milliseconds(50));
  want(3);
  EXPECT_THAT(settled(), ElementsAre("yield 1"));
  want(4);
  EXPECT_THAT(settled(), ElementsAre("yield 2"));
}

TEST_F(LedgerRule7, ATokenGoesBackInTimeThoughNobodyHereWaits) {
  two_work();
  EXPECT_EQ(next_deadline(), now_ + Ledger::kHandOverLimit);
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(settled(), ElementsAre("yield 2"));
  EXPECT_THAT(done(2), ElementsAre("return a"));
}

TEST_F(LedgerRule7, WhoMovesOntoTheImplicitSlotNeedNotYieldTheTokenAnyMore) {
  two_work();
  EXPECT_THAT(done(1), ElementsAre("return a"));
  pass(Ledger::kHandOverLimit);
  EXPECT_THAT(settled(), IsEmpty());
}

TEST_F(LedgerRule7, NobodyIsAskedWhileItStartsUp) {
  gone(1);
  join(1);
  want(1);
  want(2);
  pass(std::chrono::seconds(1));
  EXPECT_THAT(settled(), IsEmpty());
  done(1);
  want(1);
  pass(milliseconds(10));
  EXPECT_THAT(settled(), ElementsAre("yield 2"));
}

TEST_F(LedgerRule7, WhoWasAskedAndDiesCountsNoMore) {
  want(1);
  want(2);
  pass(milliseconds(10));
  EXPECT_THAT(settled(), ElementsAre("yield 1"));
  EXPECT_THAT(gone(1), ElementsAre("grant 2"));
  want(3);
  pass(milliseconds(10));
  EXPECT_THAT(settled(), ElementsAre("yield 2"));
}

TEST_F(LedgerRank, ThoseThatAskAtOnceAreServedByRank) {
  for (Ledger::ClientId client = 5; client <= 7; ++client) {
    ledger_.join(client, static_cast<unsigned>(client));
  }
  want(1);
  want(7);
  pass(milliseconds(5));
  want(5);
  want(6);
  for (const char* granted : {"grant 5", "grant 6", "grant 7"}) {
    EXPECT_THAT(token_read('a'), ElementsAre(granted));
  }
}

TEST_F(LedgerRank, ButNotBeforeWhoHasWaitedForLonger) {
  ledger_.join(5, 5);
  ledger_.join(6, 6);
  want(1);
  want(6);
  pass(Ledger::kAtOnce);
  want(5);
  EXPECT_THAT(token_read('a'), ElementsAre("grant 6"));
}

TEST_F(LedgerRule8, ASlotIsLentToWhoWaitsFirst) {
  want(1);
  want(2);
  want(3);
  EXPECT_THAT(lend(), ElementsAre("grant 2"));
  EXPECT_EQ(ledger_.uncovered(), 1U);
  EXPECT_EQ(ledger_.tokens_held(), 0U);
  EXPECT_TRUE(wants_token());
}

TEST_F(LedgerRule8, TheNextSlotThatIsFreeIsForTheOneThatWasLentOne) {
  want(1);
  want(2);
  want(3);
  lend();
  EXPECT_THAT(done(1), IsEmpty()) << "client 2 has the implicit slot now";
  EXPECT_EQ(ledger_.uncovered(), 0U);
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
  EXPECT_THAT(done(2), ElementsAre("grant 3"));
}

TEST_F(LedgerRule8, ATokenCoversItToo) {
  want(1);
  want(2);
  lend();
  EXPECT_THAT(token_read('a'), IsEmpty());
  EXPECT_FALSE(wants_token());
  EXPECT_THAT(done(2), ElementsAre("return a"));
}

TEST_F(LedgerRule8, ALentSlotIsGivenToNobody) {
  want(1);
  want(2);
  want(3);
  lend();
  EXPECT_THAT(done(2), IsEmpty());
  EXPECT_EQ(ledger_.uncovered(), 0U);
  EXPECT_EQ(ledger_.state_of(3), Ledger::State::kWaiting);
}

TEST_F(LedgerRule8, AStartBeginsOnOneWhereNobodyWaits) {
  want(1);
  start(7);
  EXPECT_THAT(lend(), ElementsAre("begin 7"));
  EXPECT_EQ(ledger_.uncovered(), 1U);
  EXPECT_THAT(lend(), IsEmpty()) << "nobody is left to lend to";
}

TEST_F(LedgerRule8, AStartBeginsOnTheImplicitSlotThatWasKeptForOthers) {
  start(7);
  EXPECT_THAT(lend(), ElementsAre("begin 7"));
  EXPECT_EQ(ledger_.uncovered(), 0U);
}

TEST_F(LedgerRule8, ASlotCanBeLentToACertainClient) {
  want(1);
  want(2);
  want(3);
  EXPECT_THAT(lend_to(3), ElementsAre("grant 3"));
  EXPECT_THAT(lend_to(1), IsEmpty()) << "it has one";
  EXPECT_THAT(done(1), IsEmpty());
  EXPECT_THAT(done(3), ElementsAre("grant 2"));
}

TEST(LedgerImplicitSlot, MayComeLater) {
  Ledger ledger(false);
  ledger.join(1);
  const auto now = Ledger::Time(std::chrono::hours(1));
  EXPECT_THAT(ledger.want(1, now), IsEmpty());
  EXPECT_EQ(ledger.need(now).of, Ledger::Need::Of::kAnyToken);
  const auto actions = ledger.implicit_slot_gained(now);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(test::to_word(actions[0]), "grant 1");
  EXPECT_THAT(ledger.implicit_slot_gained(now), IsEmpty());
}

}  // namespace
}  // namespace jobslots
