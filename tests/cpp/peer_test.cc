#include "system/peer.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>

#include "session/protocol.h"
#include "support.h"

namespace jobslots {
namespace {

using test::can_hear;
using test::FdPair;
using test::hear;
using test::RemoteProcess;
using test::say;
using test::wait_readable;

/// This process as its own peer.
class PeerTest : public testing::Test {
 protected:
  PeerTest() : PeerTest(test::make_socketpair()) {}

  UniqueFd other_;
  Peer peer_;

 private:
  explicit PeerTest(FdPair sockets)
      : other_(std::move(sockets.first)), peer_(std::move(sockets.second)) {}
};

TEST_F(PeerTest, ItsCredentials) {
  EXPECT_EQ(peer_.pid(), getpid());
  EXPECT_TRUE(peer_.same_user());
  EXPECT_TRUE(peer_.connected());
}

TEST_F(PeerTest, MessagesArriveOneByOne) {
  EXPECT_FALSE(peer_.receive(kMessageLimit).message) << "none is there";
  EXPECT_FALSE(peer_.receive(kMessageLimit).closed);
  say(other_, "want");
  say(other_, "done");
  EXPECT_EQ(peer_.receive(kMessageLimit).message, "want");
  EXPECT_EQ(peer_.receive(kMessageLimit).message, "done");
  EXPECT_FALSE(peer_.receive(kMessageLimit).message);
}

TEST_F(PeerTest, AnOverlongMessageIsSeenAsSuch) {
  say(other_, std::string(kMessageLimit, 'x'));
  say(other_, std::string(kMessageLimit * 10, 'x'));
  say(other_, "next");
  EXPECT_EQ(peer_.receive(kMessageLimit).message->size(), kMessageLimit);
  EXPECT_GT(peer_.receive(kMessageLimit).message->size(), kMessageLimit);
  EXPECT_EQ(peer_.receive(kMessageLimit).message, "next");
}

TEST_F(PeerTest, WhatWasSaidBeforeTheConnectionClosedStillArrives) {
  say(other_, "done");
  other_.reset();
  EXPECT_EQ(peer_.receive(kMessageLimit).message, "done");
  EXPECT_TRUE(peer_.receive(kMessageLimit).closed);
}

TEST_F(PeerTest, AlsoWhereItLeftSomethingUnread) {
  ASSERT_TRUE(peer_.send("yield"));
  say(other_, "done");
  other_.reset();
  EXPECT_EQ(peer_.receive(kMessageLimit).message, "done");
  EXPECT_TRUE(peer_.receive(kMessageLimit).closed);
}

TEST_F(PeerTest, SendingArrives) {
  EXPECT_TRUE(peer_.send("grant"));
  EXPECT_EQ(hear(other_), "grant");
}

TEST_F(PeerTest, SendingToAClosedConnectionFailsWithoutASignal) {
  other_.reset();
  EXPECT_FALSE(peer_.send("grant"));
}

TEST_F(PeerTest, SendingToOneWhoDoesNotListenFailsInsteadOfWaiting) {
  int sent = 0;
  while (sent < 1'000'000 && peer_.send("grant")) ++sent;
  EXPECT_LT(sent, 1'000'000);
}

TEST_F(PeerTest, Disconnecting) {
  peer_.disconnect();
  EXPECT_FALSE(peer_.connected());
  EXPECT_EQ(hear(other_), "");
}

TEST(PeerOfAnotherUser, IsNotTheSameUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  test::Child child([] {
    FdPair sockets = test::make_socketpair();
    test::drop_root();
    return Peer(std::move(sockets.first)).same_user() ? 1 : 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST(PeerOfAnotherProcess, ItsDeathIsSeenThoughSomebodyKeepsTheSocketOpen) {
  RemoteProcess remote;
  FdPair sockets = remote.make_socketpair();
  const Peer peer(std::move(sockets.first));
  EXPECT_EQ(peer.pid(), remote.process().pid());
  ASSERT_TRUE(peer.has_life_fd());
  remote.process().signal(SIGKILL);
  EXPECT_TRUE(wait_readable(peer.life_fd()));
  Peer still_connected(std::move(sockets.second));
  EXPECT_TRUE(still_connected.send("to whom it may concern"));
}

TEST(PeerOfAnotherProcess, ItLivesThoughTheSocketIsClosed) {
  RemoteProcess remote;
  FdPair sockets = remote.make_socketpair();
  Peer peer(std::move(sockets.first));
  sockets.second.reset();
  EXPECT_TRUE(peer.receive(kMessageLimit).closed);
  EXPECT_FALSE(can_hear(UniqueFd(dup(peer.life_fd()))));
}

TEST(PeerOfAnotherProcess, GetsSignals) {
  RemoteProcess remote;
  FdPair sockets = remote.make_socketpair();
  const Peer peer(std::move(sockets.first));
  peer.signal(SIGINT);
  const auto status = remote.process().wait();
  ASSERT_TRUE(status && WIFSIGNALED(*status));
  EXPECT_EQ(WTERMSIG(*status), SIGINT);
  peer.signal(SIGINT);  // Nobody is hit.
}

}  // namespace
}  // namespace jobslots
