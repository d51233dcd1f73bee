#include "system/poller.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <system_error>

#include "support.h"

namespace jobslots {
namespace {

using namespace std::chrono_literals;
using test::FdPair;
using test::must;
using testing::ElementsAre;
using testing::IsEmpty;

class PollerTest : public testing::Test {
 protected:
  std::vector<Poller::Tag> at_once() { return poller_.wait(0ns); }
  void write() { ASSERT_EQ(::write(pipe_.second.get(), "+", 1), 1); }
  int read_end() const { return pipe_.first.get(); }
  int write_end() const { return pipe_.second.get(); }

  Poller poller_ = must(Poller::create());
  FdPair pipe_ = test::make_pipe();
};

TEST_F(PollerTest, TellsWhatIsReadable) {
  poller_.watch(read_end(), kReadable, 7);
  EXPECT_THAT(at_once(), IsEmpty());
  write();
  EXPECT_THAT(poller_.wait(std::nullopt), ElementsAre(7));
  EXPECT_THAT(at_once(), ElementsAre(7)) << "as long as it is";
}

TEST_F(PollerTest, TellsChangesOnly) {
  write();
  poller_.watch(read_end(), {.readable = true, .changes = true}, 7);
  EXPECT_THAT(at_once(), ElementsAre(7)) << "what is there when the watch begins";
  EXPECT_THAT(at_once(), IsEmpty());
  poller_.watch(read_end(), {.readable = true, .changes = true}, 7);
  EXPECT_THAT(at_once(), IsEmpty()) << "the same watch goes on";
  write();
  EXPECT_THAT(at_once(), ElementsAre(7));
}

TEST_F(PollerTest, TellsWhatIsWritable) {
  poller_.watch(write_end(), {.writable = true}, 8);
  EXPECT_THAT(at_once(), ElementsAre(8));
}

TEST_F(PollerTest, ADescriptorIsWatchedForWhatWasAskedLast) {
  poller_.watch(read_end(), kReadable, 7);
  poller_.watch(write_end(), {.writable = true}, 8);
  poller_.watch(write_end(), kNoInterest, 8);
  EXPECT_THAT(at_once(), IsEmpty());
  poller_.unwatch(write_end());
  poller_.unwatch(read_end());
  write();
  EXPECT_THAT(at_once(), IsEmpty());
  poller_.watch(read_end(), kReadable, 9);
  EXPECT_THAT(at_once(), ElementsAre(9));
}

TEST_F(PollerTest, WaitsNoLongerThanAsked) { EXPECT_THAT(poller_.wait(1us), IsEmpty()); }

TEST_F(PollerTest, WhatCannotBeWatchedIsNotPassedOver) {
  EXPECT_THROW(poller_.watch(-1, kReadable, 1), std::system_error);
  const test::TempDir folder;
  test::write_file(folder / "file", "");
  const UniqueFd regular(open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THROW(poller_.watch(regular.get(), kReadable, 1), std::system_error);
}

TEST(Poller, SaysWhyThereIsNone) {
  EXPECT_EQ(test::Child([] {
              const rlimit none{0, 0};
              setrlimit(RLIMIT_NOFILE, &none);
              return test::must_fail(Poller::create()).reason == Reason::kSystem ? 0 : 1;
            }).wait_exit(),
            0);
}

}  // namespace
}  // namespace jobslots
