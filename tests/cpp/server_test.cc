#include "jobslots/server.h"

#include <fcntl.h>
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
  for (const char* name : {"sp ace", "tab\tbed", "back\\slash", "e\\ ", "new\nline"}) {
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

TEST(Server, AFolderWithoutAName) {
  EXPECT_EQ(must_fail(Server::create(3, "")).message(),
            "no folder is named for the jobserver's fifo; cure: name one, e.g. /tmp");
}

/// Its children need not be where it is.
TEST(Server, InAFolderWithARelativeName) {
  const TempDir folder;
  const TempDir elsewhere;
  test::Child child([&] {
    if (chdir(folder.path().c_str()) != 0) return 1;
    const Server server = must(Server::create(3, "."));
    test::Child client([&] {
      if (chdir(elsewhere.path().c_str()) != 0) return 1;
      return must(test::open_tokens(server.makeflags())).tokens_available() == 2 ? 0 : 2;
    });
    return client.wait_exit().value_or(3);
  });
  EXPECT_EQ(child.wait_exit(), 0);
  EXPECT_TRUE(folder.empty());
}

TEST(Server, MoreTokensThanAFifoHolds) {
  const TempDir folder;
  EXPECT_EQ(must_fail(Server::create(10'000'000, folder.path())).reason, Reason::kSystem);
  EXPECT_TRUE(folder.empty());
}

TEST(Server, WithoutASlotItWouldRunNothing) {
  const TempDir folder;
  for (const auto& server : {Server::create(0, folder.path()), Server::create_pipe(0)}) {
    EXPECT_EQ(must_fail(server).message(),
              "a jobserver of 0 job slots could run nothing; cure: ask for 1 or more");
  }
  EXPECT_TRUE(folder.empty());
}

TEST(Server, MoreTokensThanAPipeHoldsByItself) {
  for (const unsigned job_slots : {61'441U, 65'536U, 65'537U, 65'538U, 100'000U}) {
    const auto fifo = Server::create(job_slots);
    const auto pipe = Server::create_pipe(job_slots);
    // Another program of this user may have used up what pipe(7) calls pipe-user-pages-soft.
    if (const auto* why = std::get_if<Unavailable>(&fifo)) {
      EXPECT_THAT(why->cure(), testing::HasSubstr("fs.pipe-max-size"));
      continue;
    }
    for (const auto* server : {&fifo, &pipe}) {
      const auto tokens_available = [&] { return std::get<Server>(*server).tokens_available(); };
      EXPECT_EQ(tokens_available(), static_cast<int>(job_slots) - 1);
      Client client = must(std::get<Server>(*server).client());
      const auto implicit = client.try_acquire();
      auto token = client.try_acquire();
      EXPECT_EQ(tokens_available(), static_cast<int>(job_slots) - 2);
      token.reset();  // There is room for it at once, though its page is not read to the end.
      EXPECT_EQ(tokens_available(), static_cast<int>(job_slots) - 1);
    }
  }
}

TEST(Server, MoreTokensThanAnyPipeHolds) {
  const auto why = must_fail(Server::create(4'000'000'000));
  EXPECT_THAT(why.message(),
              testing::StartsWith("a pipe cannot hold the tokens of 4000000000 job slots: "));
  EXPECT_THAT(why.message(), testing::EndsWith("cure: ask for fewer, or raise fs.pipe-max-size"));
}

TEST(Server, ItsOwnJobsTakeSlotsToo) {
  for (const bool pipe : {false, true}) {
    const Server server = must(pipe ? Server::create_pipe(3) : Server::create(3));
    Client client = must(server.client());
    const auto first_child = client.try_acquire();
    auto second_child = client.try_acquire();
    const auto third_child = client.try_acquire();
    ASSERT_TRUE(first_child && second_child && third_child);
    EXPECT_TRUE(first_child->implicit());
    EXPECT_FALSE(client.try_acquire());
    EXPECT_EQ(server.tokens_available(), 0);
    second_child.reset();
    EXPECT_EQ(server.tokens_available(), 1);
  }
}

/// make has closed 3 and 4, and its child opens a jobserver of its own there.
TEST(Server, BelowAMakeWithAPipeAtTheSameNumbers) {
  const test::FdPair makes = test::make_pipe();
  ASSERT_EQ(write(makes.second.get(), "xx", 2), 2);
  const auto status = test::below_a_process_named("make", [&makes] {
    const Server server = must(Server::create_pipe(2));
    const auto fds = server.inherited_fds();
    dup2(fds[0], makes.first.get());
    dup2(fds[1], makes.second.get());
    Client client = must(server.client());
    const auto implicit = client.try_acquire();
    const auto token = client.try_acquire();
    return token && !client.try_acquire() && server.tokens_available() == 0 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST(ServerOverAPipe, TellsItsChildrenTheNumbers) {
  const Server server = must(Server::create_pipe(5));
  const Makeflags makeflags = must(parse_makeflags(server.makeflags()));
  const auto fds = server.inherited_fds();
  ASSERT_EQ(fds.size(), 2U);
  EXPECT_EQ(makeflags, (Makeflags{PipeAuth{fds[0], fds[1], false}, 5}));
  EXPECT_TRUE(must(Server::create(5)).inherited_fds().empty());
}

TEST(ServerOverAPipe, OnlyTheChildrenThatAreMeantInheritIt) {
  const Server server = must(Server::create_pipe(3));
  const auto fds = server.inherited_fds();
  for (const int fd : fds) EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  test::Child child([&] {
    if (!server.keep_fds_on_exec()) return 1;
    return test::exec({JOBSLOTS_RECIPE}, {{"MAKEFLAGS", server.makeflags()}});
  });
  EXPECT_EQ(child.wait_exit(), 0);
  EXPECT_EQ(server.tokens_available(), 2);
  for (const int fd : fds) EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/// Also one before 4.4, which ends with an error where MAKEFLAGS names a fifo.
TEST(ServerOverAPipe, ARealMakeIsItsClient) {
  const TempDir folder;
  const Server server = must(Server::create_pipe(3));
  test::write_file(folder / "Makefile", "all:\n\t+" JOBSLOTS_RECIPE " > out\n");
  test::Child make([&] {
    if (!server.keep_fds_on_exec()) return 1;
    return test::exec({JOBSLOTS_MAKE, "-s", "-C", folder.path()},
                      {{"PATH", "/usr/bin:/bin"}, {"MAKEFLAGS", server.makeflags()}});
  });
  EXPECT_EQ(make.wait_exit(), 0);
  EXPECT_EQ(test::read_file(folder / "out"), "took 1, left 1, returned 1, now 2\n");
  EXPECT_EQ(server.tokens_available(), 2) << "all tokens are back";
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
