#include "jobslots/client.h"

#include <gmock/gmock.h>

#include <vector>

#include "jobslots/server.h"
#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;
using test::open_tokens;
using test::ScopedEnv;

class ClientTest : public testing::Test {
 protected:
  Client client() const { return Client(must(open_tokens(server_.makeflags()))); }
  int tokens_available() const { return server_.tokens_available(); }

  const Server server_ = must(Server::create(3));
};

TEST_F(ClientTest, TheImplicitSlotIsFirstAndNeedsNoToken) {
  Client one = client();
  const auto slot = one.try_acquire();
  ASSERT_TRUE(slot);
  EXPECT_TRUE(slot->implicit());
  EXPECT_EQ(tokens_available(), 2);
}

TEST_F(ClientTest, FurtherSlotsAreTokensAndThenThereAreNone) {
  Client one = client();
  const auto implicit = one.try_acquire();
  const auto second = one.try_acquire();
  const auto third = one.try_acquire();
  ASSERT_TRUE(implicit && second && third);
  EXPECT_FALSE(second->implicit());
  EXPECT_FALSE(third->implicit());
  EXPECT_EQ(tokens_available(), 0);
  EXPECT_FALSE(one.try_acquire());
}

TEST_F(ClientTest, SlotsGiveThemselvesBack) {
  Client one = client();
  {
    const auto implicit = one.try_acquire();
    const auto second = one.try_acquire();
    const auto third = one.try_acquire();
    ASSERT_EQ(tokens_available(), 0);
  }
  EXPECT_EQ(tokens_available(), 2);
  const auto again = one.try_acquire();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->implicit());
}

TEST_F(ClientTest, TheImplicitSlotIsUsedAgainBeforeAToken) {
  Client one = client();
  auto implicit = one.try_acquire();
  const auto token = one.try_acquire();
  implicit.reset();
  const auto next = one.try_acquire();
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->implicit());
  EXPECT_EQ(tokens_available(), 1);
}

TEST_F(ClientTest, ASlotMovedFromGivesNothingBack) {
  Client one = client();
  const auto implicit = one.try_acquire();
  auto token = one.try_acquire();
  {
    const Slot moved = std::move(*token);
    token.reset();
    EXPECT_EQ(tokens_available(), 1) << "the moved slot still holds it";
  }
  EXPECT_EQ(tokens_available(), 2);
}

TEST_F(ClientTest, ASlotAssignedToGivesItsOldOneBack) {
  Client one = client();
  const auto implicit = one.try_acquire();
  auto second = one.try_acquire();
  auto third = one.try_acquire();
  ASSERT_EQ(tokens_available(), 0);
  *second = std::move(*third);
  EXPECT_EQ(tokens_available(), 1);
  third.reset();
  EXPECT_EQ(tokens_available(), 1);
  Slot& itself = *second;
  *second = std::move(itself);
  EXPECT_EQ(tokens_available(), 1);
  second.reset();
  EXPECT_EQ(tokens_available(), 2);
}

TEST_F(ClientTest, AClientThatIsMovedLosesNoSlotThatIsOut) {
  std::optional<Client> one = client();
  auto implicit = one->try_acquire();
  auto token = one->try_acquire();
  ASSERT_TRUE(implicit && token && implicit->implicit() && !token->implicit());
  std::vector<Client> moved;
  moved.push_back(std::move(*one));
  moved.push_back(client());  // The vector grows, and moves it once more.
  one.reset();
  token.reset();
  EXPECT_EQ(tokens_available(), 2);
  implicit.reset();
  const auto again = moved.front().try_acquire();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->implicit()) << "the client knows that it was given back";
}

TEST_F(ClientTest, ASlotMayOutliveItsClient) {
  std::optional<Client> one = client();
  const auto implicit = one->try_acquire();
  auto token = one->try_acquire();
  ASSERT_TRUE(token && !token->implicit());
  one.reset();
  EXPECT_EQ(tokens_available(), 1);
  token.reset();
  EXPECT_EQ(tokens_available(), 2);
}

TEST_F(ClientTest, AClientAssignedToLosesNoSlotThatIsOut) {
  const Server other_server = must(Server::create(2));
  Client one = client();
  const auto implicit = one.try_acquire();
  auto token = one.try_acquire();
  one = Client(must(open_tokens(other_server.makeflags())));
  const auto implicit_of_other = one.try_acquire();
  auto token_of_other = one.try_acquire();
  ASSERT_TRUE(token_of_other && !token_of_other->implicit());
  EXPECT_EQ(other_server.tokens_available(), 0);
  token.reset();
  EXPECT_EQ(tokens_available(), 2) << "it goes back to where it was taken";
  token_of_other.reset();
  EXPECT_EQ(other_server.tokens_available(), 1);
}

TEST_F(ClientTest, ManySlotsOneAfterTheOther) {
  Client one = client();
  const auto implicit = one.acquire(Client::kNothingElse);
  for (int i = 0; i < 10'000; ++i) {
    const auto slot = one.acquire(Client::kNothingElse);
    ASSERT_TRUE(slot && !slot->implicit());
  }
  EXPECT_EQ(tokens_available(), 2);
}

TEST_F(ClientTest, SeveralClientsShareTheTokensAndEachHasAnImplicitSlot) {
  Client one = client();
  Client other = client();
  const auto implicit_of_one = one.try_acquire();
  const auto implicit_of_other = other.try_acquire();
  const auto second = one.try_acquire();
  auto third = other.try_acquire();
  ASSERT_TRUE(implicit_of_one && implicit_of_other && second && third);
  EXPECT_TRUE(implicit_of_other->implicit());
  EXPECT_FALSE(one.try_acquire());
  third.reset();
  EXPECT_TRUE(one.try_acquire());
}

TEST_F(ClientTest, AcquireWaitsUntilAnotherProcessGivesASlotBack) {
  Client one = client();
  const auto implicit = one.try_acquire();
  auto second = one.try_acquire();
  const auto third = one.try_acquire();
  const auto report = test::make_pipe();
  test::Child child([this, &report] {
    Client other = client();
    const auto first = other.acquire(Client::kNothingElse);
    if (write(report.second.get(), "1", 1) != 1) return 2;
    const auto waited_for = other.acquire(Client::kNothingElse);
    return waited_for && !waited_for->implicit() ? 0 : 3;
  });
  ASSERT_TRUE(test::wait_readable(report.first.get()));
  EXPECT_TRUE(child.running());
  second.reset();
  EXPECT_EQ(child.wait_exit(), 0);
  EXPECT_EQ(tokens_available(), 1) << "the child's slot gave itself back";
}

/// A program that holds all slots for its own jobs would wait for ever with acquire().
TEST_F(ClientTest, AcquireWithAnotherDescriptorEndsWhenAJobHasEnded) {
  Client one = client();
  auto implicit = one.acquire(Client::kNothingElse);
  const auto second = one.acquire(Client::kNothingElse);
  const auto third = one.acquire(Client::kNothingElse);
  ASSERT_TRUE(implicit && second && third);
  test::FdPair job = test::make_pipe();
  test::Child child([&job] {
    close(job.first.get());
    return 0;  // Its end of the pipe goes with it.
  });
  job.second.reset();
  EXPECT_FALSE(one.acquire(job.first.get()));
  EXPECT_EQ(child.wait_exit(), 0);
  implicit.reset();
  const auto again = one.acquire(job.first.get());
  ASSERT_TRUE(again) << "a slot goes before the descriptor";
  EXPECT_TRUE(again->implicit());
}

TEST_F(ClientTest, AcquireWithAnotherDescriptorWaitsForASlotToo) {
  Client one = client();
  const auto implicit = one.try_acquire();
  auto second = one.try_acquire();
  const auto third = one.try_acquire();
  const auto job = test::make_pipe();
  const auto report = test::make_pipe();
  test::Child child([&] {
    Client other = client();
    const auto first = other.acquire(job.first.get());
    if (write(report.second.get(), "1", 1) != 1) return 2;
    const auto waited_for = other.acquire(job.first.get());
    return waited_for && !waited_for->implicit() ? 0 : 3;
  });
  ASSERT_TRUE(test::wait_readable(report.first.get()));
  EXPECT_TRUE(child.running());
  second.reset();
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST_F(ClientTest, ItsDescriptorTellsOfATokenAndTryAcquireOfTheImplicitSlot) {
  Client one = client();
  auto implicit = one.try_acquire();
  EXPECT_TRUE(test::can_hear(UniqueFd(dup(one.fd()))));
  auto second = one.try_acquire();
  const auto third = one.try_acquire();
  EXPECT_FALSE(test::can_hear(UniqueFd(dup(one.fd()))));
  implicit.reset();
  EXPECT_TRUE(one.try_acquire());
  second.reset();
  EXPECT_TRUE(test::can_hear(UniqueFd(dup(one.fd()))));
  EXPECT_FALSE(one.lost());
  const Client moved = std::move(one);
  EXPECT_EQ(one.fd(), -1);
  EXPECT_FALSE(one.try_acquire());
}

TEST_F(ClientTest, AForkedProcessGivesNothingBackASecondTime) {
  Client one = client();
  auto implicit = one.try_acquire();
  auto token = one.try_acquire();
  ASSERT_EQ(tokens_available(), 1);
  test::Child child([&] {
    token.reset();
    implicit.reset();
    return one.try_acquire() ? 1 : 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
  EXPECT_EQ(tokens_available(), 1);
}

TEST(ClientOfALostJobserver, HasOnlyTheImplicitSlotLeft) {
  auto [make, path] = test::make_terminal();
  Client client(must(TokenSource::open({FifoAuth{path}, std::nullopt})));
  make.reset();
  auto implicit = client.acquire(Client::kNothingElse);
  ASSERT_TRUE(implicit && implicit->implicit());
  EXPECT_FALSE(client.acquire(Client::kNothingElse));
  const auto job = test::make_pipe();
  ASSERT_EQ(write(job.second.get(), "1", 1), 1);
  EXPECT_FALSE(client.acquire(job.first.get())) << "and does not spin meanwhile";
  EXPECT_TRUE(client.lost());
  implicit.reset();
  EXPECT_TRUE(client.acquire(Client::kNothingElse));
}

TEST(ClientFromTheEnvironment, UsesTheJobserverOfMakeflags) {
  const Server server = must(Server::create(2));
  const ScopedEnv makeflags("MAKEFLAGS", server.makeflags().c_str());
  Client client = must(Client::from_environment());
  const auto implicit = client.acquire(Client::kNothingElse);
  const auto token = client.acquire(Client::kNothingElse);
  EXPECT_EQ(server.tokens_available(), 0);
}

TEST(ClientFromTheEnvironment, SaysWhyThereIsNone) {
  const ScopedEnv mflags("MFLAGS", nullptr);
  const ScopedEnv cargo("CARGO_MAKEFLAGS", nullptr);
  {
    const ScopedEnv makeflags("MAKEFLAGS", nullptr);
    const auto reason = test::as_an_orphan(
        [] { return static_cast<int>(must_fail(Client::from_environment()).reason); });
    EXPECT_EQ(reason, static_cast<int>(Reason::kNone));
  }
  const ScopedEnv makeflags("MAKEFLAGS", "--jobserver-auth=fifo:/nowhere/fifo");
  EXPECT_EQ(must_fail(Client::from_environment()).reason, Reason::kFifoMissing);
}

}  // namespace
}  // namespace jobslots
