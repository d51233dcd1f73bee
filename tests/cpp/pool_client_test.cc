#include "jobslots/pool_client.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "pool_support.h"

namespace jobslots {
namespace {

using test::eventually;
using test::must_fail;
using test::TestPool;

class PoolClientTest : public testing::Test {
 protected:
  PoolClient client() const { return pool_.client(); }
  /// Slots that the client wants, and that there are.
  static std::vector<Slot> acquire(PoolClient& client, std::size_t count) {
    std::vector<Slot> slots;
    while (slots.size() < count) {
      auto slot = client.acquire(PoolClient::kNothingElse);
      if (!slot) throw std::runtime_error("no slot");
      slots.push_back(std::move(*slot));
    }
    return slots;
  }
  /// How many slots it has once the pool has answered that it wants so many.
  static std::size_t held_of(PoolClient& client, std::size_t total, std::size_t spare = 0) {
    client.want(total, spare);
    EXPECT_TRUE(eventually(client, [&] { return client.is_settled(total, spare); }));
    return client.held();
  }

  TestPool pool_{3};
};

TEST_F(PoolClientTest, HasWhatItWantsAndThePoolHas) {
  PoolClient one = client();
  EXPECT_EQ(one.job_slots(), 3U);
  EXPECT_EQ(one.directory(), pool_.folder());
  EXPECT_EQ(one.held(), 0U);
  EXPECT_EQ(held_of(one, 2), 2U);
  EXPECT_EQ(one.free(), 1U);
  EXPECT_EQ(held_of(one, 5), 3U);
  EXPECT_EQ(one.free(), 0U);
}

TEST_F(PoolClientTest, WantsOnlyWhileThereAreMoreThanSoManyFree) {
  PoolClient one = client();
  EXPECT_EQ(held_of(one, 1, 3), 0U);
  EXPECT_EQ(one.free(), 3U);
  EXPECT_EQ(held_of(one, 3, 1), 2U);
}

TEST_F(PoolClientTest, WhatIsGivenBackIsAnothersAtOnce) {
  PoolClient one = client();
  PoolClient other = client();
  ASSERT_EQ(held_of(one, 3), 3U);
  ASSERT_EQ(held_of(other, 2), 0U);
  one.want(1);
  one.give_back(2);
  EXPECT_EQ(one.held(), 1U);
  EXPECT_TRUE(eventually(other, [&] { return other.held() == 2; }));
}

TEST_F(PoolClientTest, IsAskedForSlotsThatOthersWaitFor) {
  PoolClient one = client();
  PoolClient other = client();
  ASSERT_EQ(held_of(one, 3), 3U);
  EXPECT_EQ(one.asked_back(), 0U);
  other.want(1);
  EXPECT_TRUE(eventually(one, [&] { return one.asked_back() == 1; }));
  one.give_back(1);
  EXPECT_EQ(one.asked_back(), 0U);
  EXPECT_TRUE(eventually(other, [&] { return other.held() == 1; }));
}

TEST_F(PoolClientTest, GivesNothingBackThatItDoesNotHave) {
  PoolClient one = client();
  ASSERT_EQ(held_of(one, 2), 2U);
  auto slot = one.try_acquire();
  one.want(1);
  one.give_back(100);
  EXPECT_EQ(one.held(), 1U);
  slot.reset();
  EXPECT_EQ(one.held(), 0U);
  EXPECT_EQ(held_of(one, 4), 3U);
  EXPECT_FALSE(one.lost()) << "the pool has refused nothing";
}

TEST_F(PoolClientTest, SlotsGiveThemselvesBackAndAreNotWantedAnyMore) {
  PoolClient one = client();
  PoolClient other = client();
  {
    const auto slots = acquire(one, 3);
    EXPECT_FALSE(slots.front().implicit());
    EXPECT_FALSE(one.try_acquire());
    ASSERT_EQ(held_of(other, 3), 0U);
  }
  EXPECT_TRUE(eventually(other, [&] { return other.held() == 3; }));
  EXPECT_TRUE(one.is_settled(0) || eventually(one, [&] { return one.is_settled(0); }));
}

TEST_F(PoolClientTest, AcquireWaitsUntilAnotherGivesASlotBack) {
  PoolClient one = client();
  auto slots = acquire(one, 3);
  test::Child child([this] {
    PoolClient other = client();
    return other.acquire(PoolClient::kNothingElse) ? 0 : 1;
  });
  ASSERT_TRUE(eventually(one, [&] { return one.asked_back() == 1; })) << "the child waits";
  EXPECT_TRUE(child.running());
  slots.pop_back();
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST_F(PoolClientTest, AcquireEndsWhenTheOtherDescriptorIsReadable) {
  PoolClient one = client();
  auto slots = acquire(one, 3);
  test::FdPair job = test::make_pipe();
  job.second.reset();
  EXPECT_FALSE(one.acquire(job.first.get()));
  slots.pop_back();
  EXPECT_TRUE(one.try_acquire() || one.acquire(PoolClient::kNothingElse));
}

TEST_F(PoolClientTest, WhoEndsHasNothingAnyMore) {
  PoolClient one = client();
  test::FdPair report = test::make_pipe();
  test::Child child([&] {
    PoolClient other = client();
    const auto slots = acquire(other, 3);
    if (write(report.second.get(), "+", 1) != 1) return 1;
    pause();
    return 0;
  });
  ASSERT_TRUE(test::wait_readable(report.first.get()));
  ASSERT_EQ(held_of(one, 3), 0U);
  child.kill_and_wait();
  EXPECT_TRUE(eventually(one, [&] { return one.held() == 3; }));
}

TEST_F(PoolClientTest, SlotsMayOutliveTheirClient) {
  PoolClient one = client();
  std::optional<PoolClient> other = client();
  auto slots = acquire(*other, 1);
  ASSERT_EQ(held_of(*other, 3), 3U);
  other.reset();
  EXPECT_TRUE(held_of(one, 3) == 2 || eventually(one, [&] { return one.held() == 2; }));
  slots.clear();
  EXPECT_TRUE(eventually(one, [&] { return one.held() == 3; }));
}

TEST_F(PoolClientTest, AClientThatIsMovedLosesNoSlotThatIsOut) {
  PoolClient first = client();
  auto slots = acquire(first, 2);
  PoolClient moved = std::move(first);
  EXPECT_EQ(moved.held(), 2U);
  moved = client();
  EXPECT_EQ(moved.held(), 0U);
  EXPECT_EQ(held_of(moved, 3), 1U);
  slots.clear();
  EXPECT_TRUE(eventually(moved, [&] { return moved.held() == 3; }));
}

TEST_F(PoolClientTest, CopiesInAChildDoNothing) {
  PoolClient one = client();
  auto slots = acquire(one, 2);
  ASSERT_EQ(held_of(one, 3), 3U);
  test::Child child([&] {
    slots.clear();
    one.give_back(1);
    one.want(0);
    const bool nothing = !one.try_acquire() && !one.acquire(PoolClient::kNothingElse);
    return nothing && one.reconnect() ? 0 : 1;
  });
  EXPECT_EQ(child.wait_exit(), 0);
  PoolClient other = client();
  EXPECT_EQ(held_of(other, 3), 0U);
  EXPECT_EQ(held_of(one, 3), 3U);
}

TEST_F(PoolClientTest, ANewPoolIsToldOfWhatIsHeld) {
  PoolClient one = client();
  const auto slots = acquire(one, 2);
  pool_.process().kill_and_wait();
  EXPECT_TRUE(eventually(one, [&] { return one.lost(); }));
  EXPECT_EQ(one.held(), 2U);
  EXPECT_FALSE(one.reconnect());
  EXPECT_FALSE(one.lost());
  EXPECT_EQ(one.held(), 2U);
  PoolClient other = client();
  other.want(3);
  EXPECT_TRUE(eventually(other, [&] { return other.held() == 1; }));
  EXPECT_EQ(held_of(other, 4), 1U) << "never more than N";
}

TEST_F(PoolClientTest, ANewPoolWaitsForWhatIsHeldOfOneThatLeftNothing) {
  PoolClient one = client();
  const auto slots = acquire(one, 2);
  PoolClient early = client();
  pool_.process().kill_and_wait();
  std::filesystem::remove_all(pool_.folder());
  EXPECT_TRUE(eventually(early, [&] { return early.lost(); }));
  EXPECT_FALSE(early.reconnect());
  early.want(3);
  EXPECT_TRUE(eventually(early, [&] { return early.is_settled(3); }));
  EXPECT_EQ(early.held(), 0U) << "nobody else has said yet what it holds";
  EXPECT_TRUE(eventually(one, [&] { return one.lost(); }));
  EXPECT_FALSE(one.reconnect());
  EXPECT_TRUE(eventually(early, [&] { return early.held() == 1; }));
  EXPECT_EQ(held_of(early, 4), 1U) << "never more than N";
}

TEST_F(PoolClientTest, AcquireFindsTheNewPool) {
  PoolClient one = client();
  auto slots = acquire(one, 2);
  pool_.process().kill_and_wait();
  slots.pop_back();
  slots.push_back(std::move(acquire(one, 1).front()));
  slots.push_back(std::move(acquire(one, 1).front()));
  EXPECT_EQ(one.held(), 3U);
  EXPECT_FALSE(one.lost());
}

TEST_F(PoolClientTest, WhereNoPoolCanBeStartedAcquireEnds) {
  PoolClient one = client();
  auto slots = acquire(one, 3);
  const test::ScopedEnv path("PATH", "/nowhere");
  pool_.process().kill_and_wait();
  EXPECT_FALSE(one.acquire(PoolClient::kNothingElse));
  EXPECT_TRUE(one.lost());
  EXPECT_EQ(one.held(), 3U) << "its jobs run";
  slots.clear();
  EXPECT_EQ(one.held(), 0U);
}

TEST(PoolClientWithoutAProgram, SaysWhatIsMissing) {
  const test::TempDir folder;
  const test::ScopedEnv path("PATH", folder.path().c_str());
  const auto why = must_fail(PoolClient::connect(folder.path(), "a test"));
  EXPECT_EQ(why.message(),
            "no pool can be started: there is no program jobslots on PATH; cure: install "
            "pytest-xdist-gnumake, or add the folder of jobslots to PATH");
}

TEST(PoolClientOfNoPool, SaysWhatAPoolIs) {
  const auto why = must_fail(PoolClient::connect("relative/folder", "a test"));
  EXPECT_EQ(why.reason, Reason::kNotUnderstood);
}

}  // namespace
}  // namespace jobslots
