#include "jobslots/server.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;
using test::TempDir;

std::string fifo_of(const Server& server) {
  return std::get<FifoAuth>(must(parse_makeflags(server.makeflags())).auth).path;
}

TEST(Server, HasATokenForEachSlotButTheImplicitOne) {
  for (const unsigned job_slots : {1U, 2U, 8U, 4096U}) {
    const Server server = must(Server::create(job_slots));
    EXPECT_EQ(server.tokens_available(), static_cast<int>(job_slots) - 1);
  }
}

TEST(Server, TellsItsChildrenTheNumberOfSlotsAndTheFifo) {
  const TempDir folder;
  const Server server = must(Server::create(5, folder.path()));
  const Makeflags makeflags = must(parse_makeflags(server.makeflags()));
  EXPECT_EQ(makeflags.job_slots, 5U);
  EXPECT_THAT(fifo_of(server), testing::StartsWith(folder.path() + "/"));
}

TEST(Server, InAFolderWithABlankAndABackslashInItsName) {
  const TempDir folder;
  for (const char* name : {"sp ace", "tab\tbed", "back\\slash", "e\\ "}) {
    const std::string place = folder / name;
    ASSERT_TRUE(std::filesystem::create_directory(place));
    const Server server = must(Server::create(3, place));
    EXPECT_EQ(must(test::open_tokens(server.makeflags())).tokens_available(), 2);
  }
}

TEST(Server, OnlyItsUserMayEnter) {
  const Server server = must(Server::create(2));
  const auto mode = [](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  };
  const std::string fifo = fifo_of(server);
  EXPECT_EQ(mode(fifo), 0600U);
  EXPECT_EQ(mode(std::filesystem::path(fifo).parent_path()), 0700U);
}

TEST(Server, LeavesNothingBehind) {
  const TempDir folder;
  {
    const Server server = must(Server::create(3, folder.path()));
    EXPECT_FALSE(folder.empty());
  }
  EXPECT_TRUE(folder.empty());
}

TEST(Server, AServerMovedFromRemovesNothing) {
  const TempDir folder;
  std::optional<Server> server = must(Server::create(3, folder.path()));
  const Server moved = std::move(*server);
  server.reset();
  EXPECT_EQ(must(test::open_tokens(moved.makeflags())).tokens_available(), 2);
}

TEST(Server, TwoServersDoNotMix) {
  const TempDir folder;
  const Server one = must(Server::create(3, folder.path()));
  const Server other = must(Server::create(3, folder.path()));
  EXPECT_NE(fifo_of(one), fifo_of(other));
  TokenSource tokens = must(test::open_tokens(one.makeflags()));
  ASSERT_TRUE(tokens.try_take());
  EXPECT_EQ(one.tokens_available(), 1);
  EXPECT_EQ(other.tokens_available(), 2);
}

TEST(Server, NoFolderToBeIn) {
  const auto why = must_fail(Server::create(3, "/nowhere"));
  EXPECT_EQ(why.reason, Reason::kSystem);
  EXPECT_THAT(why.detail, testing::HasSubstr("/nowhere"));
}

TEST(Server, MoreTokensThanAFifoHolds) {
  const TempDir folder;
  EXPECT_EQ(must_fail(Server::create(10'000'000, folder.path())).reason, Reason::kSystem);
  EXPECT_TRUE(folder.empty());
}

TEST(Server, ARealMakeIsItsClient) {
  const TempDir folder;
  const Server server = must(Server::create(3, folder.path()));
  test::write_file(folder / "Makefile", "all:\n\t+" JOBSLOTS_RECIPE " > out\n");
  test::Child make([&] {
    return test::exec({JOBSLOTS_MAKE, "-s", "-C", folder.path()},
                      {{"PATH", "/usr/bin:/bin"}, {"MAKEFLAGS", server.makeflags()}});
  });
  EXPECT_NE(make.wait(), std::nullopt);
  EXPECT_EQ(server.tokens_available(), 2) << "all tokens are back";
}

}  // namespace
}  // namespace jobslots
