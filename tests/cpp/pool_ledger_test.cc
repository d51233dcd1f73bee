/// The rules of who gets a pool's slots.

#include "pool/pool_ledger.h"

#include <gmock/gmock.h>

#include <chrono>
#include <numeric>

namespace jobslots {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using ClientId = PoolLedger::ClientId;

/// A pool's ledger in virtual time.
class PoolLedgerTest : public testing::Test {
 protected:
  void join(ClientId client, unsigned weight = 1) { ledger_.join(client, weight, 0, now_); }
  void want(ClientId client, std::size_t total, std::size_t spare = 0) {
    ledger_.want(client, total, spare, now_);
  }
  void joins_and_wants(ClientId client, std::size_t total) {
    join(client);
    want(client, total);
  }
  /// Gives out so many slots. Who gets them, in order.
  std::vector<ClientId> give_out(std::size_t free) {
    std::vector<ClientId> clients;
    while (free > 0) {
      const auto client = ledger_.next(free, now_);
      if (!client) break;
      ledger_.grant(*client, now_);
      clients.push_back(*client);
      --free;
    }
    return clients;
  }
  std::vector<ClientId> asked(bool others_unseen = false) {
    return ledger_.ask_back(others_unseen, now_).clients;
  }
  void give_back(ClientId client, std::size_t count = 1) { ledger_.give_back(client, count, now_); }
  std::size_t held(ClientId client) const { return ledger_.find(client)->held.size(); }
  void pass(PoolLedger::Time time) { now_ += time; }

  PoolLedger ledger_;
  PoolLedger::Time now_ = std::chrono::hours(1);
};

TEST_F(PoolLedgerTest, OfThoseThatHaveUsedNothingWhoHasWaitedLongestIsFirst) {
  joins_and_wants(2, 1);
  pass(milliseconds(1));
  joins_and_wants(1, 1);
  EXPECT_THAT(give_out(9), ElementsAre(2, 1));
}

TEST_F(PoolLedgerTest, WhoHasUsedLessIsFirst) {
  joins_and_wants(1, 1);
  give_out(1);
  pass(seconds(1));
  give_back(1);
  pass(seconds(1));
  joins_and_wants(2, 1);
  EXPECT_THAT(give_out(1), ElementsAre(2));
}

TEST_F(PoolLedgerTest, UseIsHalvedInTenSeconds) {
  joins_and_wants(1, 1);
  give_out(1);
  pass(milliseconds(100));
  want(1, 0);
  give_back(1);
  const double before = PoolLedger::use(*ledger_.find(1), now_);
  EXPECT_NEAR(before, 0.1, 0.001);
  pass(seconds(10));
  EXPECT_NEAR(PoolLedger::use(*ledger_.find(1), now_), before / 2, 1e-9);
}

TEST_F(PoolLedgerTest, UseDoesNotGrowForEver) {
  joins_and_wants(1, 1);
  give_out(1);
  pass(std::chrono::hours(1000));
  EXPECT_NEAR(PoolLedger::use(*ledger_.find(1), now_), PoolLedger::kWorth, 1e-6);
}

TEST_F(PoolLedgerTest, SlotsAreSharedOut) {
  for (const auto client : std::initializer_list<ClientId>{1, 2, 3}) joins_and_wants(client, 9);
  for (int i = 0; i < 6; ++i) {
    give_out(1);
    pass(milliseconds(1));
  }
  EXPECT_EQ(held(1), 2U);
  EXPECT_EQ(held(2), 2U);
  EXPECT_EQ(held(3), 2U);
}

TEST_F(PoolLedgerTest, ASpareSlotIsOneThatLeavesEnoughForOthers) {
  join(1);
  want(1, 3, 2);
  EXPECT_THAT(give_out(2), IsEmpty());
  EXPECT_THAT(give_out(3), ElementsAre(1));
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(PoolLedgerTest, WhoHasTwoMoreThanAWaitingOneIsAskedSoon) {
  joins_and_wants(1, 9);
  give_out(2);
  joins_and_wants(2, 9);
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_EQ(ledger_.ask_back(false, now_).again, now_ + PoolLedger::kYieldAfter);
  pass(PoolLedger::kYieldAfter);
  EXPECT_THAT(asked(), ElementsAre(1));
  EXPECT_THAT(asked(), IsEmpty()) << "one is on its way";
  give_back(1);
  EXPECT_THAT(give_out(1), ElementsAre(2));
}

TEST_F(PoolLedgerTest, WhoHasAsManyIsNotAsked) {
  joins_and_wants(1, 9);
  joins_and_wants(2, 9);
  EXPECT_THAT(give_out(2), ElementsAre(1, 2));
  pass(std::chrono::hours(1));
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_GE(ledger_.ask_back(false, now_).again, now_ + seconds(10)) << "no polling";
}

TEST_F(PoolLedgerTest, OneSlotIsSharedInTime) {
  joins_and_wants(1, 1);
  give_out(1);
  joins_and_wants(2, 1);
  const auto again = ledger_.ask_back(false, now_).again;
  ASSERT_TRUE(again);
  EXPECT_NEAR(std::chrono::duration<double>(*again - now_).count(), 0.1, 0.001);
  now_ = *again + milliseconds(1);
  EXPECT_THAT(asked(), ElementsAre(1));
  give_back(1);
  EXPECT_THAT(give_out(1), ElementsAre(2));
}

TEST_F(PoolLedgerTest, AWaitingClientOfNoSlotNeverStarves) {
  for (ClientId client = 1; client <= 20; ++client) joins_and_wants(client, 8);
  give_out(2);
  std::vector<double> used(21);
  for (int i = 0; i < 60'000; ++i) {  // A minute, in steps of a millisecond.
    pass(milliseconds(1));
    for (const ClientId client : asked()) give_back(client);
    give_out(2 - ledger_.held());
    for (ClientId client = 1; client <= 20; ++client)
      used.at(client) += static_cast<double>(held(client));
  }
  const double total = std::accumulate(used.begin(), used.end(), 0.0);
  for (ClientId client = 1; client <= 20; ++client) {
    EXPECT_NEAR(used.at(client), total / 20, total / 20 / 5) << client;
  }
}

TEST_F(PoolLedgerTest, ANewClientGetsASlotAtOnceBesideFullOnes) {
  joins_and_wants(1, 8);
  joins_and_wants(2, 8);
  give_out(8);
  pass(seconds(20));
  joins_and_wants(3, 1);
  EXPECT_EQ(asked().size(), 1U);
}

TEST_F(PoolLedgerTest, ASlotIsAskedForEachThatHasNone) {
  joins_and_wants(1, 8);
  joins_and_wants(2, 8);
  give_out(2);
  pass(seconds(1));
  joins_and_wants(3, 8);
  joins_and_wants(4, 8);
  EXPECT_THAT(asked(), ElementsAre(1, 2)) << "though the first in line is due no second slot";
}

TEST_F(PoolLedgerTest, WhereTheOneThatIsAskedTakesLongAnotherOneIsAskedToo) {
  joins_and_wants(1, 8);
  joins_and_wants(2, 8);
  give_out(2);
  pass(seconds(1));
  joins_and_wants(3, 1);
  EXPECT_THAT(asked(), ElementsAre(1));
  EXPECT_EQ(ledger_.ask_back(false, now_).again, now_ + PoolLedger::kPatience);
  pass(PoolLedger::kPatience);
  EXPECT_THAT(asked(), ElementsAre(2));
  give_back(2);
  EXPECT_THAT(give_out(1), ElementsAre(3));
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(PoolLedgerTest, AHeavierClientIsDueMore) {
  join(1, 3);
  join(2, 1);
  want(1, 8);
  want(2, 8);
  give_out(8);
  for (int i = 0; i < 20'000; ++i) {
    pass(milliseconds(1));
    for (const ClientId client : asked()) give_back(client);
    give_out(8 - ledger_.held());
  }
  EXPECT_EQ(held(1), 6U);
  EXPECT_EQ(held(2), 2U);
}

TEST_F(PoolLedgerTest, OthersUnseenGetTheirTurn) {
  joins_and_wants(1, 2);
  give_out(1);
  pass(milliseconds(50));
  give_out(1);
  pass(milliseconds(50));
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_THAT(asked(true), ElementsAre(1));
  EXPECT_EQ(ledger_.ask_back(true, now_).again, now_ + milliseconds(50));
  pass(milliseconds(50));
  EXPECT_THAT(asked(true), ElementsAre(1));
  EXPECT_THAT(asked(true), IsEmpty());
}

TEST_F(PoolLedgerTest, WhoIsGoneHasNothing) {
  joins_and_wants(1, 3);
  give_out(2);
  EXPECT_EQ(ledger_.gone(1, now_), 2U);
  EXPECT_EQ(ledger_.gone(1, now_), 0U);
  EXPECT_EQ(ledger_.held(), 0U);
  EXPECT_EQ(ledger_.next(3, now_), std::nullopt);
}

TEST_F(PoolLedgerTest, NobodyGivesBackMoreThanItHas) {
  joins_and_wants(1, 3);
  give_out(2);
  EXPECT_EQ(ledger_.give_back(1, 5, now_), 2U);
  EXPECT_EQ(ledger_.give_back(7, 5, now_), 0U);
}

TEST_F(PoolLedgerTest, WhoComesFromADeadPoolHasWhatItHad) {
  ledger_.join(1, 1, 3, now_);
  EXPECT_EQ(ledger_.held(), 3U);
  EXPECT_EQ(ledger_.gone(1, now_), 3U);
}

}  // namespace
}  // namespace jobslots
