/// The rules of the ledger for a session whose slots are a pool's, which sees who wants them.

#include "ledger_fixture.h"

namespace jobslots {
namespace {

using test::LedgerTest;
using testing::ElementsAre;
using testing::IsEmpty;

class LedgerUnderAPool : public LedgerTest {
 protected:
  LedgerUnderAPool() {
    ledger_ = Ledger(false, false);
    for (Ledger::ClientId client = 1; client <= 4; ++client) {
      join(client);
      want(client);
      token_read('a');
      done(client);
    }
  }
  Words ask_back(std::size_t count) { return words(ledger_.ask_back(count)); }
  void two_hold() {
    want(1);
    token_read('a');
    pass(std::chrono::seconds(1));
    want(2);
    token_read('b');
  }
};

TEST_F(LedgerUnderAPool, TokensPassFromClientToClientForAsLongAsNobodyAsksForThem) {
  two_hold();
  pass(std::chrono::hours(1));
  want(3);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
  EXPECT_THAT(settled(), IsEmpty()) << "nobody is asked for an old token";
  EXPECT_EQ(next_deadline(), std::nullopt);
}

TEST_F(LedgerUnderAPool, WhoHasHadItsTokenForLongestIsAskedAndItGoesBackThoughSomebodyWaits) {
  two_hold();
  want(3);
  EXPECT_THAT(ask_back(1), ElementsAre("yield 1"));
  EXPECT_THAT(done(1), ElementsAre("return a"));
  EXPECT_THAT(done(2), ElementsAre("grant 3")) << "one was asked for";
}

TEST_F(LedgerUnderAPool, TheFirstTokenThatIsFreeGoesBackWhoeverWasAsked) {
  two_hold();
  want(3);
  EXPECT_THAT(ask_back(1), ElementsAre("yield 1"));
  EXPECT_THAT(gone(2), ElementsAre("return b"));
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
}

TEST_F(LedgerUnderAPool, NoMoreGoBackThanAreHeld) {
  two_hold();
  EXPECT_THAT(ask_back(5), ElementsAre("yield 1", "yield 2"));
  want(3);
  EXPECT_THAT(done(1), ElementsAre("return a"));
  EXPECT_THAT(done(2), ElementsAre("return b"));
  EXPECT_THAT(token_read('c'), ElementsAre("grant 3")) << "what comes later may be kept";
}

TEST_F(LedgerUnderAPool, AskedForNothingThatIsHeldItOwesNothing) {
  EXPECT_THAT(ask_back(1), IsEmpty());
  two_hold();
  want(3);
  EXPECT_THAT(done(1), ElementsAre("grant 3"));
}

TEST_F(LedgerUnderAPool, WhoStartsUpIsNotAskedButItsTokenGoesBackAtTheEndOfThat) {
  join(5);
  want(5);
  token_read('a');
  EXPECT_THAT(ask_back(1), IsEmpty());
  want(1);
  EXPECT_THAT(done(5), ElementsAre("return a"));
}

TEST_F(LedgerUnderAPool, SaysHowManyTokensAreOfUse) {
  want(1);
  want(2);
  EXPECT_EQ(need().tokens, 2U);
  token_read('a');
  EXPECT_EQ(need().tokens, 1U);
  token_read('b');
  start(7);
  start(8);
  EXPECT_EQ(need().of, Ledger::Need::Of::kSpareTokens);
  EXPECT_EQ(need().tokens, 2U);
  EXPECT_EQ(need().spare, 2U) << "for the clients 3 and 4";
}

}  // namespace
}  // namespace jobslots
