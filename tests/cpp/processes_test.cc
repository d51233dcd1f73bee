#include "system/processes.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

#include "support.h"

namespace jobslots {
namespace {

using test::below_a_process_named;
using test::Child;
using test::eventually;
using test::FdPair;
using test::TempDir;

bool parent_is_the_nearest_make(const char* make_variable) {
  return nearest_make(make_variable) == getppid();
}

TEST(ReadStat, FieldsByTheirNumbersWhateverTheName) {
  for (const char* name : {"make", "a) S 1 (b", ") ("}) {
    const auto status = below_a_process_named(name, [name] {
      const auto stat = read_stat(getppid());
      if (!stat || stat->name != name) return 2;
      constexpr std::size_t kStart = 22;
      const bool started_before = stat->number(kStart) <= read_stat(getpid())->number(kStart);
      return stat->number(kStart) > 0 && started_before && stat->number(1000) == 0 ? 1 : 0;
    });
    EXPECT_EQ(status, 1) << name;
  }
}

/// One CPU for a process that works and one that looks how long it has waited for that.
TEST(QueuedTime, GrowsWhileAnotherHasTheCpu) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  Child other([] {
    for (volatile bool works = true; works;) {
    }
    return 0;
  });
  const auto begin = queued_time(getpid());
  EXPECT_TRUE(eventually([begin] { return queued_time(getpid()) > begin; }));
  other.kill_and_wait();
  sched_setaffinity(0, sizeof(before), &before);
  EXPECT_EQ(queued_time(other.pid()), std::chrono::nanoseconds(0));
}

TEST(NearestMake, ByTheNamesOfMake) {
  for (const char* name : {"make", "gmake", "gnumake", "remake", "make-3.81", "gmake4"}) {
    EXPECT_EQ(below_a_process_named(name, [] { return parent_is_the_nearest_make(nullptr); }), 1)
        << name;
  }
}

TEST(NearestMake, ByTheVariableMake) {
  const auto found = [](const char* name, const char* variable) {
    return below_a_process_named(name, [=] { return parent_is_the_nearest_make(variable); });
  };
  EXPECT_EQ(found("mymake", "mymake"), 1);
  EXPECT_EQ(found("mymake", "/opt/bin/mymake"), 1);
  EXPECT_EQ(found("make", "/opt/bin/mymake"), 1);
  EXPECT_EQ(found("mymake", nullptr), 0);
  EXPECT_EQ(found("mymake", ""), 0);
  EXPECT_EQ(found("mymake", "/opt/bin/"), 0);
  EXPECT_EQ(found("a-make-with-a-long-name", "/opt/a-make-with-a-long-name"), 1)
      << "the kernel keeps 15 characters of a name";
}

TEST(NearestMake, NamesThatOnlyLookLikeMake) {
  for (const char* name : {"cmake", "makeinfo", "MAKE", "make)", "(make", "x) S 1 (make"}) {
    EXPECT_EQ(below_a_process_named(name, [] { return parent_is_the_nearest_make(nullptr); }), 0)
        << name;
  }
}

TEST(NearestMake, ThroughProcessesInBetweenWhateverTheirNames) {
  for (const char* between : {"sh", "a) S 1 (b", ") ("}) {
    const auto status = below_a_process_named("make", [between] {
      const pid_t make = getppid();
      return below_a_process_named(between,
                                   [make] { return nearest_make(nullptr) == make ? 1 : 0; })
          .value_or(3);
    });
    EXPECT_EQ(status, 1) << between;
  }
}

TEST(NearestMake, TheInnerOneOfTwo) {
  const auto status = below_a_process_named("make", [] {
    return below_a_process_named("gmake", [] { return parent_is_the_nearest_make(nullptr); })
        .value_or(3);
  });
  EXPECT_EQ(status, 1);
}

TEST(Ancestors, TheNearestFirstWithTheirNames) {
  const auto status = below_a_process_named("outer) S 1 (x", [] {
    const pid_t outer = getppid();
    return below_a_process_named("inner\nline",
                                 [outer] {
                                   const auto above = ancestors();
                                   return above.size() >= 3 && above[0].name == "inner\nline" &&
                                                  above[0].pid == getppid() &&
                                                  above[1].name == "test" &&
                                                  above[2].name == "outer) S 1 (x" &&
                                                  above[2].pid == outer && above[1].parent == outer
                                              ? 1
                                              : 0;
                                 })
        .value_or(3);
  });
  EXPECT_EQ(status, 1);
}

TEST(CommandLine, EachWordEmptyOnesToo) {
  Child child(
      [] { return test::exec({"/bin/sh", "-c", "kill -STOP $$", "", "a b", "-j\n8"}, {}); });
  const std::vector<std::string> words{"/bin/sh", "-c", "kill -STOP $$", "", "a b", "-j\n8"};
  EXPECT_TRUE(test::eventually([&] { return command_line(child.pid()) == words; }));
}

TEST(AProcessThatHasEnded, IsUnknown) {
  Child child([] { return 0; });
  ASSERT_EQ(child.wait_exit(), 0);
  EXPECT_FALSE(read_process(child.pid()));
  EXPECT_FALSE(command_line(child.pid()));
  EXPECT_FALSE(program_path(child.pid()));
}

TEST(AncestorsPipe, WithheldDescriptorsAreOpenedInMake) {
  const FdPair pipe = test::make_pipe();
  ASSERT_EQ(write(pipe.second.get(), "ab", 2), 2);
  const std::string makeflags = "-j3 --jobserver-auth=" + std::to_string(pipe.first.get()) + "," +
                                std::to_string(pipe.second.get()) + " --jobserver-auth=-2,-2";
  const auto status = below_a_process_named("make", [&makeflags, &pipe] {
    close(pipe.first.get());
    close(pipe.second.get());
    TokenSource tokens = test::must(test::open_tokens(makeflags));
    const auto token = tokens.try_take();
    if (token != 'a' || tokens.tokens_available() != 1) return 2;
    return tokens.try_return(*token) && tokens.tokens_available() == 2 ? 1 : 3;
  });
  EXPECT_EQ(status, 1);
}

TEST(AncestorsPipe, ClosedDescriptorsAreOpenedInMake) {
  const FdPair pipe = test::make_pipe();
  ASSERT_EQ(write(pipe.second.get(), "a", 1), 1);
  const std::string makeflags = "--jobserver-auth=" + std::to_string(pipe.first.get()) + "," +
                                std::to_string(pipe.second.get());
  const auto status = below_a_process_named("make", [&makeflags, &pipe] {
    close(pipe.first.get());
    close(pipe.second.get());
    return test::must(test::open_tokens(makeflags)).tokens_available() == 1 ? 1 : 2;
  });
  EXPECT_EQ(status, 1);
}

TEST(AncestorsPipe, ClosedInMakeToo) {
  const auto status = below_a_process_named("make", [] {
    const auto why = test::must_fail(test::open_tokens("--jobserver-auth=900,901"));
    return why.reason == Reason::kBadDescriptor ? 1 : 2;
  });
  EXPECT_EQ(status, 1);
}

/// What a recipe of a real make -j3 says about its jobserver.
std::string real_make(const std::string& recipe) {
  const TempDir folder;
  const std::string plus = recipe.starts_with('+') ? "+" : "";
  test::write_file(folder / "Makefile",
                   "all:\n\t" + plus + "(" + recipe.substr(plus.size()) + ") > out 2>&1\n");
  Child make([&folder] {
    close_range(STDERR_FILENO + 1, ~0U, 0);  // So that make's pipe is 3,4.
    return test::exec({JOBSLOTS_MAKE, "-s", "-j3", "-C", folder.path()},
                      {{"PATH", "/usr/bin:/bin"}});
  });
  EXPECT_NE(make.wait(), std::nullopt);
  return test::read_file(folder / "out");
}

TEST(RealMake, RecipeWithoutAPlus) {
  EXPECT_EQ(real_make(JOBSLOTS_RECIPE), "took 1, left 1, returned 1, now 2\n");
}

TEST(RealMake, RecipeWithAPlus) {
  EXPECT_EQ(real_make("+" JOBSLOTS_RECIPE), "took 1, left 1, returned 1, now 2\n");
}

TEST(RealMake, RecipeThatStartsShellsInBetween) {
  EXPECT_EQ(real_make("sh -c 'sh -c " JOBSLOTS_RECIPE "; true'"),
            "took 1, left 1, returned 1, now 2\n");
}

TEST(RealMake, RecipeThatSwitchesTheJobserverOff) {
  EXPECT_EQ(real_make("env MAKEFLAGS= " JOBSLOTS_RECIPE),
            "no jobserver in MAKEFLAGS, MFLAGS or CARGO_MAKEFLAGS; cure: start it from a recipe of "
            "make -jN\n");
}

TEST(RealMake, RecipeWhoseVariablesAreGone) {
  EXPECT_THAT(real_make("env -u MAKEFLAGS -u MFLAGS " JOBSLOTS_RECIPE),
              testing::MatchesRegex("make is above this .process [0-9]+. with -j3, but MAKEFLAGS "
                                    "is not set: something in between removes it; cure: let "
                                    "MAKEFLAGS through: .*\n"));
}

/// make before 4.4 closes 3 and 4 for this recipe, and MAKEFLAGS names them all the same.
TEST(RealMake, AForeignFifoAtTheNumbersOfMakesPipe) {
  for (const std::string plus : {"", "+"}) {
    EXPECT_EQ(real_make(plus + "mkfifo f; exec 3<>f 4>&3; printf abc >&3; " JOBSLOTS_RECIPE
                               "; head -c3 <&3"),
              "took 1, left 1, returned 1, now 2\nabc");
  }
}

TEST(RealMake, AProgramInBetweenServesAJobserverOfItsOwn) {
  for (const std::string pair : {"3,4", "5,6"}) {
    const std::string fds = pair == "3,4" ? "3<>f 4>&3" : "5<>f 6>&5";
    EXPECT_EQ(real_make("mkfifo f; exec " + fds + "; printf abcde >&" + pair.substr(0, 1) +
                        "; MAKEFLAGS='-j6 --jobserver-auth=" + pair + "' " JOBSLOTS_RECIPE),
              "took 1, left 4, returned 1, now 5\n")
        << pair;
  }
}

TEST(RealMake, AProgramInBetweenDoesNotPassItsDescriptorsOn) {
  EXPECT_EQ(real_make("mkfifo f; exec 3<>f 4>&3; printf abcde >&3; (exec 3>&- 4>&-; "
                      "MAKEFLAGS='-j6 --jobserver-auth=3,4' " JOBSLOTS_RECIPE "); true"),
            "took 1, left 4, returned 1, now 5\n");
}

}  // namespace
}  // namespace jobslots
