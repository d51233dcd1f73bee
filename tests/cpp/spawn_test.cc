#include "system/spawn.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <array>

#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;

/// What a shell command prints into the descriptor that is to be its output.
std::string output_of(const std::string& command, std::vector<std::string> environment = {}) {
  test::FdPair pipe = test::make_pipe();
  const pid_t pid =
      must(spawn({"/bin/sh", {"sh", "-c", command}, std::move(environment)}, pipe.second.get()));
  pipe.second.reset();
  std::string text;
  std::array<char, 100> part{};
  for (ssize_t size = 1; size > 0;) {
    size = test::wait_readable(pipe.first.get()) ? read(pipe.first.get(), part.data(), part.size())
                                                 : 0;
    text.append(part.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  EXPECT_TRUE(end_group(pid));
  return text;
}

TEST(Spawn, OnlyTheOutputIsTheCallers) {
  EXPECT_EQ(output_of("echo out; echo err >&2; cat"), "out\n");
}

TEST(Spawn, TheEnvironmentIsTheOneGiven) {
  EXPECT_EQ(output_of("echo $ONE-$HOME", {"ONE=1"}), "1-\n");
}

TEST(Spawn, AProgramThatIsNotThere) {
  const auto why = must_fail(spawn({"/missing/program", {"program"}, {}}, STDOUT_FILENO));
  EXPECT_EQ(why.reason, Reason::kSystem);
  EXPECT_EQ(why.detail, "\"/missing/program\" cannot be started: No such file or directory");
}

/// The answers of what prepares the start count too: a child whose standard input or error could
/// not be redirected would have those of this process.
TEST(Spawn, AnOutputThatIsClosed) {
  EXPECT_EQ(must_fail(spawn({"/bin/true", {"true"}, {}}, -1)).reason, Reason::kSystem);
  EXPECT_EQ(must_fail(spawn({"/bin/true", {"true"}, {}}, 999)).reason, Reason::kSystem);
}

TEST(EndGroup, AllThatItHasStarted) {
  test::FdPair pipe = test::make_pipe();
  const pid_t pid = must(
      spawn({"/bin/sh", {"sh", "-c", "sleep 1000 & echo on; sleep 1000"}, {"PATH=/usr/bin:/bin"}},
            pipe.second.get()));
  pipe.second.reset();
  std::array<char, 10> text{};
  ASSERT_TRUE(test::wait_readable(pipe.first.get()));
  ASSERT_EQ(read(pipe.first.get(), text.data(), text.size()), 3);
  EXPECT_TRUE(end_group(pid));
  ASSERT_TRUE(test::wait_readable(pipe.first.get())) << "somebody still has the other end";
  EXPECT_EQ(read(pipe.first.get(), text.data(), text.size()), 0);
}

}  // namespace
}  // namespace jobslots
