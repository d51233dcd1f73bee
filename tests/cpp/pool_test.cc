/// A pool without sockets, processes and a fifo.

#include "pool/pool.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <vector>

namespace jobslots {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A fifo in memory.
class Store : public PoolStore {
 public:
  std::size_t count() const override { return tokens_; }
  bool others() const override { return others_; }
  bool try_take() override {
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }
  void put(std::size_t count) override { tokens_ += count; }

  std::size_t tokens_ = 0;
  bool others_ = false;
};

/// A pool of three slots in virtual time. Each step settles, and gives what has followed as words:
/// "1: grant 1 2", "drop 1", "watch 77".
class PoolTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  using Client = Pool::ClientId;

  PoolTest() { settled(); }
  Client greeted(const std::string& hello = "hello 1 session 1 0") {
    const Client client = pool_.connected(100);
    EXPECT_THAT(said(client, hello),
                ElementsAre(std::to_string(client) + ": welcome 1 3 /pool/fifo"));
    return client;
  }
  Words said(Client client, const std::string& packet) {
    pool_.said(client, packet, now_);
    return settled();
  }
  Words hung_up(Client client) {
    pool_.hung_up(client, now_);
    return settled();
  }
  Words settled() {
    pool_.settle(store_, now_);
    Words words;
    while (const auto effect = pool_.next_effect()) words.push_back(to_word(*effect));
    return words;
  }
  void pass(Pool::Time time) { now_ += time; }
  static std::string to_word(const Pool::Effect& effect) {
    if (const auto* send = std::get_if<Pool::Send>(&effect)) {
      return std::to_string(send->client) + ": " + to_packet(send->message);
    }
    if (const auto* drop = std::get_if<Pool::Drop>(&effect)) {
      return "drop " + std::to_string(drop->client);
    }
    return "watch " + std::to_string(std::get<Pool::Watch>(effect).process);
  }

  Store store_;
  Pool::Time now_ = std::chrono::hours(1);
  Pool pool_{3, "/pool/fifo", false, now_};
};

TEST_F(PoolTest, AllSlotsLieInTheFifo) { EXPECT_EQ(store_.tokens_, 3U); }

TEST_F(PoolTest, GrantsWhatThereIsAndSaysWhatIsLeft) {
  const Client a = greeted();
  EXPECT_THAT(said(a, "want 2 0"), ElementsAre("1: grant 2 1", "1: settled 1"));
  EXPECT_EQ(store_.tokens_, 1U);
  EXPECT_THAT(said(a, "want 9 0"), ElementsAre("1: grant 1 0", "1: settled 0"));
}

TEST_F(PoolTest, WhatIsGivenBackGoesToWhoWaits) {
  const Client a = greeted();
  said(a, "want 3 0");
  const Client b = greeted();
  EXPECT_THAT(said(b, "want 1 0"), ElementsAre("2: settled 0"));
  said(a, "want 2 0");
  EXPECT_THAT(said(a, "back 1"), ElementsAre("2: grant 1 0"));
  EXPECT_EQ(store_.tokens_, 0U);
}

TEST_F(PoolTest, WhatNobodyWantsGoesBackToTheFifo) {
  const Client a = greeted();
  said(a, "want 3 0");
  said(a, "want 1 0");
  EXPECT_THAT(said(a, "back 2"), IsEmpty());
  EXPECT_EQ(store_.tokens_, 2U);
}

TEST_F(PoolTest, WhoHangsUpHasNothingAnyMore) {
  const Client a = greeted();
  said(a, "want 3 0");
  const Client b = greeted();
  said(b, "want 3 0");
  EXPECT_THAT(hung_up(a), ElementsAre("drop 1", "2: grant 3 0"));
}

TEST_F(PoolTest, AWaitingClientHasOthersAsked) {
  const Client a = greeted();
  said(a, "want 3 0");
  const Client b = greeted();
  said(b, "want 3 0");
  ASSERT_TRUE(pool_.again());
  now_ = *pool_.again();
  EXPECT_THAT(settled(), ElementsAre("1: yield 1"));
}

TEST_F(PoolTest, NonsenseIsRefused) {
  const Client a = greeted();
  said(a, "want 2 0");
  EXPECT_THAT(said(a, "want many"),
              ElementsAre("1: refused not a message of this protocol", "drop 1"));
  EXPECT_EQ(store_.tokens_, 3U);
  const Client b = pool_.connected(100);
  EXPECT_THAT(said(b, "want 1 0"), ElementsAre("2: refused say hello first", "drop 2"));
  const Client c = pool_.connected(100);
  EXPECT_THAT(said(c, "hello 99 session 1 0"),
              ElementsAre("3: refused this pool speaks version 1", "drop 3"));
}

TEST_F(PoolTest, NobodyGivesBackWhatItDoesNotHave) {
  const Client a = greeted();
  said(a, "want 1 0");
  EXPECT_THAT(said(a, "back 2"),
              ElementsAre("1: refused gave back what it did not have", "drop 1"));
  EXPECT_EQ(store_.tokens_, 3U);
}

TEST_F(PoolTest, TokensThatHaveDiedWithSomebodyAreMadeAnew) {
  store_.others_ = true;
  store_.tokens_ = 1;  // A make has two.
  settled();
  EXPECT_EQ(store_.tokens_, 1U);
  store_.others_ = false;
  settled();
  EXPECT_EQ(store_.tokens_, 3U);
}

TEST_F(PoolTest, ATokenTooManyGoes) {
  store_.tokens_ = 4;
  settled();
  EXPECT_EQ(store_.tokens_, 3U);
  const Client a = greeted();
  said(a, "want 3 0");
  store_.tokens_ = 1;  // One returns what was thought to be dead.
  settled();
  EXPECT_EQ(store_.tokens_, 0U);
}

TEST_F(PoolTest, WhoSleepsInTheFifoIsGivenTheTimeToWakeUp) {
  store_.others_ = true;
  const Client a = greeted();
  said(a, "want 3 0");
  pass(PoolLedger::kHandOverLimit);
  EXPECT_THAT(settled(), ElementsAre("1: yield 3"));
  EXPECT_THAT(said(a, "back 1"), IsEmpty());
  EXPECT_EQ(store_.tokens_, 1U);
  EXPECT_FALSE(pool_.wants_token());
  EXPECT_EQ(pool_.again(), now_ + Pool::kCourtesyPause);
  pass(Pool::kCourtesyPause);
  EXPECT_THAT(settled(), ElementsAre("1: grant 1 0"));
}

TEST_F(PoolTest, WaitsForATokenWhereSomebodyNeedsOne) {
  store_.others_ = true;
  store_.tokens_ = 0;
  const Client a = greeted();
  EXPECT_FALSE(pool_.wants_token());
  said(a, "want 1 0");
  EXPECT_TRUE(pool_.wants_token());
  store_.tokens_ = 1;
  EXPECT_THAT(settled(), ElementsAre("1: grant 1 0"));
  EXPECT_FALSE(pool_.wants_token());
}

TEST_F(PoolTest, AfterADeadOneItWaitsForThoseThatHaveItsSlots) {
  store_.tokens_ = 0;
  pool_ = Pool(3, "/pool/fifo", true, now_);
  const Client a = greeted();
  EXPECT_THAT(said(a, "want 3 0"), ElementsAre("1: settled 0"));
  greeted("hello 1 session 1 2");
  EXPECT_EQ(pool_.again(), now_ + Pool::kGrace);
  pass(Pool::kGrace);
  EXPECT_EQ(settled().front(), "1: grant 1 0");
}

TEST_F(PoolTest, IsThereForWhoMayNeedIt) {
  EXPECT_TRUE(pool_.idle());
  const Client a = greeted();
  EXPECT_FALSE(pool_.idle());
  hung_up(a);
  EXPECT_TRUE(pool_.idle());
  const Client observer = greeted("hello 1 observer 1 0");
  EXPECT_TRUE(pool_.idle());
  EXPECT_THAT(said(observer, "stay 77"), ElementsAre("watch 77"));
  EXPECT_FALSE(pool_.idle());
  pool_.process_ended(77);
  EXPECT_TRUE(pool_.idle());
}

TEST_F(PoolTest, SaysWhatItKnows) {
  const Client a = greeted();
  said(a, "title pytest unit");
  said(a, "want 2 0");
  const Client observer = greeted("hello 1 observer 1 0");
  const Words words = said(observer, "status");
  ASSERT_EQ(words.size(), 2U);
  EXPECT_THAT(words[0], HasSubstr("\"title\":\"pytest unit\""));
  EXPECT_THAT(words[0], HasSubstr("\"held\":2"));
  EXPECT_THAT(words[1], HasSubstr("2: pool {"));
  EXPECT_THAT(words[1], HasSubstr("\"free\":1"));
}

}  // namespace
}  // namespace jobslots
