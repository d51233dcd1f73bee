#include "system/listener.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <filesystem>

#include "support.h"

namespace jobslots {
namespace {

using test::TempDir;

constexpr Poller::Tag kTag = 7;

class ListenerTest : public testing::Test {
 protected:
  /// Whether a connection is told of, where the listener is watched at that time.
  bool is_told(Listener::Time now) {
    listener_.watch(poller_, listening_.get(), kTag, now);
    return !poller_.wait(Listener::Time(0)).empty();
  }

  const TempDir folder_;
  const std::string path_ = folder_ / "socket";
  UniqueFd listening_ = listen_at(path_);
  Poller poller_ = test::must(Poller::create());
  Listener listener_;
};

TEST_F(ListenerTest, AcceptsWhoConnects) {
  EXPECT_FALSE(is_told(Listener::Time(0)));
  EXPECT_FALSE(listener_.accept(listening_.get(), Listener::Time(0)));
  test::RemoteProcess remote;
  const UniqueFd socket = remote.connect(path_);
  ASSERT_TRUE(is_told(Listener::Time(0)));
  auto peer = listener_.accept(listening_.get(), Listener::Time(0));
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid(), remote.process().pid());
  EXPECT_TRUE(test::say(socket, "hello"));
  EXPECT_EQ(peer->receive(100).message, "hello");
  EXPECT_FALSE(is_told(Listener::Time(0)));
}

TEST_F(ListenerTest, AnotherUserIsNotAccepted) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  test::FdPair report = test::make_pipe();
  test::Child child([&] {
    if (chdir(folder_.path().c_str()) != 0) return 3;  // Which may be in one of root's own.
    test::drop_root();
    const UniqueFd socket = connect_to("socket");
    if (!socket || write(report.second.get(), "+", 1) != 1) return 1;
    return test::hear(socket).empty() ? 0 : 2;
  });
  ASSERT_TRUE(test::wait_readable(report.first.get()));
  EXPECT_TRUE(is_told(Listener::Time(0)));
  EXPECT_FALSE(listener_.accept(listening_.get(), Listener::Time(0)));
  EXPECT_EQ(child.wait_exit(), 0) << "its connection is closed";
}

/// What Listener::accept does for want of descriptors, and what comes afterwards.
int without_descriptors(Listener& listener, int listening) {
  rlimit none{};
  getrlimit(RLIMIT_NOFILE, &none);
  none.rlim_cur = 0;
  if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 1;
  return listener.accept(listening, Listener::Time(0)) ? 2 : 0;
}

TEST_F(ListenerTest, ShortOfDescriptorsItWaitsAWhile) {
  const UniqueFd socket = connect_to(path_);
  ASSERT_TRUE(socket);
  test::Child child([this] {
    if (const int failed = without_descriptors(listener_, listening_.get())) return failed;
    const auto again = listener_.watch_again();
    if (!again || *again <= Listener::Time(0)) return 3;
    if (is_told(*again - Listener::Time(1))) return 4;
    if (!is_told(*again) || listener_.watch_again()) return 5;
    return 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST_F(ListenerTest, WhenADescriptorIsFreedItListensAtOnce) {
  const UniqueFd socket = connect_to(path_);
  ASSERT_TRUE(socket);
  test::Child child([this] {
    if (const int failed = without_descriptors(listener_, listening_.get())) return failed;
    if (is_told(Listener::Time(0))) return 3;
    listener_.descriptor_freed();
    return is_told(Listener::Time(0)) ? 0 : 4;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST(Listening, WhyItFailsIsInErrno) {
  const TempDir folder;
  EXPECT_FALSE(connect_to(folder / "missing"));
  EXPECT_EQ(errno, ENOENT);
  const std::string path = folder / "socket";
  UniqueFd listening = listen_at(path);
  EXPECT_TRUE(listening);
  EXPECT_FALSE(listen_at(path));
  EXPECT_EQ(errno, EADDRINUSE);
  listening.reset();
  EXPECT_FALSE(connect_to(path));
  EXPECT_EQ(errno, ECONNREFUSED) << "the file is still there";
  const std::string longest = folder / std::string(107 - folder.path().size() - 1, 'x');
  EXPECT_TRUE(listen_at(longest));
  EXPECT_FALSE(listen_at(longest + "x"));
  EXPECT_EQ(errno, ENAMETOOLONG);
}

}  // namespace
}  // namespace jobslots
