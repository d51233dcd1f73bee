#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "pool/fifo.h"
#include "support.h"

namespace jobslots {
namespace {

using test::must;

class PoolFifoTest : public testing::Test {
 protected:
  PoolFifo open(bool keep = false) const { return must(PoolFifo::open(path_, keep, 3)); }

  const test::TempDir folder_;
  const std::string path_ = folder_ / "fifo";
};

/// A process that opens the fifo as make does: reading first, then writing.
class Make {
 public:
  explicit Make(const std::string& path)
      : child_([&] {
          const UniqueFd reading(open(path.c_str(), O_RDONLY | O_CLOEXEC));
          const UniqueFd writing(open(path.c_str(), O_WRONLY | O_CLOEXEC));
          char token = 0;
          if (!reading || !writing || read(reading.get(), &token, 1) != 1) return 1;
          if (write(report_.second.get(), &token, 1) != 1) return 2;
          pause();
          return 0;
        }) {
    report_.second.reset();
  }
  bool has_a_token() const { return test::wait_readable(report_.first.get()); }
  void kill() { child_.kill_and_wait(); }

 private:
  test::FdPair report_ = test::make_pipe();
  test::Child child_;
};

TEST_F(PoolFifoTest, IsThisUsersAlone) {
  const PoolFifo fifo = open();
  struct stat status {};
  ASSERT_EQ(lstat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(fifo.count(), 0U);
  EXPECT_FALSE(fifo.others());
}

TEST_F(PoolFifoTest, TokensAreTakenAsOftenAsTheyWerePut) {
  PoolFifo fifo = open();
  EXPECT_FALSE(fifo.try_take());
  fifo.put(2);
  EXPECT_EQ(fifo.count(), 2U);
  EXPECT_TRUE(fifo.try_take());
  EXPECT_TRUE(fifo.try_take());
  EXPECT_FALSE(fifo.try_take());
  fifo.put(0);
  EXPECT_EQ(fifo.count(), 0U);
}

TEST_F(PoolFifoTest, TokensStayWhileNobodyReads) {
  PoolFifo fifo = open();
  fifo.put(3);
  fifo.rest();
  EXPECT_FALSE(fifo.is_reading());
  EXPECT_EQ(fifo.count(), 3U);
  EXPECT_TRUE(test::wait_readable(fifo.reading_fd()));
  EXPECT_TRUE(fifo.is_reading());
}

/// It sleeps in read(2) where there is no token, as make 4.4 does.
TEST_F(PoolFifoTest, AMakeIsSeenAsLongAsItLives) {
  PoolFifo fifo = open();
  Make make(path_);
  EXPECT_TRUE(test::eventually([&] { return fifo.others(); })) << "it waits for a token";
  fifo.put(1);
  ASSERT_TRUE(make.has_a_token());
  fifo.rest();
  EXPECT_TRUE(fifo.others());
  EXPECT_EQ(fifo.count(), 0U);
  make.kill();
  EXPECT_FALSE(fifo.others()) << "its token has died with it";
}

TEST_F(PoolFifoTest, EachOfSeveralMakesIsSeen) {
  PoolFifo fifo = open();
  fifo.put(2);
  fifo.rest();
  Make one(path_);
  Make other(path_);
  ASSERT_TRUE(one.has_a_token() && other.has_a_token());
  one.kill();
  EXPECT_TRUE(fifo.others());
  other.kill();
  EXPECT_FALSE(fifo.others());
}

TEST_F(PoolFifoTest, AfterAPoolsDeathItIsKeptWithItsTokensWhileAMakeHasIt) {
  std::optional<PoolFifo> dead = open();
  dead->put(3);
  dead->rest();
  Make make(path_);
  ASSERT_TRUE(make.has_a_token());
  dead.reset();
  const PoolFifo fifo = open(true);
  EXPECT_EQ(fifo.count(), 2U);
  EXPECT_TRUE(fifo.others());
}

TEST_F(PoolFifoTest, WhatIsNoFifoIsReplaced) {
  const std::string precious = folder_ / "precious";
  test::write_file(precious, "text");
  std::filesystem::create_symlink(precious, path_);
  PoolFifo fifo = open(true);
  fifo.put(1);
  EXPECT_EQ(test::read_file(precious), "text");
}

TEST_F(PoolFifoTest, HoldsAsManyTokensAsThePoolHasSlots) {
  PoolFifo fifo = must(PoolFifo::open(path_, false, 70'000));
  fifo.put(70'000);
  EXPECT_EQ(fifo.count(), 70'000U);
  EXPECT_TRUE(fifo.try_take());
  fifo.put(1);
  EXPECT_EQ(fifo.count(), 70'000U) << "though its first page is partly read";
}

TEST(PoolFifoNowhere, IsAReason) {
  const auto why = test::must_fail(PoolFifo::open("/nowhere/fifo", false, 3));
  EXPECT_EQ(why.detail, "the pool's fifo /nowhere/fifo: No such file or directory");
}

}  // namespace
}  // namespace jobslots
