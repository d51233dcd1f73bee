#include "doctor/make_program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>

#include "support.h"

namespace jobslots {
namespace {

using test::ScopedEnv;
using test::TempDir;

/// For scripts that are to be killed: this test does not wait for it.
constexpr std::chrono::milliseconds kShort{50};

/// A folder for PATH whose make is this shell script.
class ScriptedMake {
 public:
  explicit ScriptedMake(const std::string& script, mode_t mode = 0755) {
    test::write_file(path(), "#!/bin/sh\n" + script + "\n");
    if (chmod(path().c_str(), mode) != 0) throw std::runtime_error("chmod");
  }
  const std::string& folder() const { return folder_.path(); }
  std::string path() const { return folder_ / "make"; }

 private:
  TempDir folder_;
};

std::string version(const ScriptedMake& make, std::chrono::milliseconds limit = kVersionLimit) {
  const auto found = make_on_path(make.folder(), limit);
  return found ? found->version : "(not found)";
}

TEST(MakeOnPath, ARealOneSaysItsVersion) {
  const std::string make = JOBSLOTS_MAKE;
  const TempDir folder;
  ASSERT_EQ(symlink(make.c_str(), (folder / "make").c_str()), 0);
  const auto found = make_on_path(folder.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, folder / "make");
  EXPECT_THAT(found->version, testing::MatchesRegex("GNU Make [0-9.]+.*"));
}

TEST(MakeOnPath, TheFirstThatCanBeRun) {
  const ScriptedMake no_program("echo wrong", 0644);
  const TempDir with_a_folder;
  ASSERT_EQ(mkdir((with_a_folder / "make").c_str(), 0755), 0);
  const ScriptedMake first("echo first");
  const ScriptedMake second("echo second");
  const auto found = make_on_path("/missing:" + no_program.folder() + ":" + with_a_folder.path() +
                                  ":" + first.folder() + ":" + second.folder());
  EXPECT_EQ(found, (MakeProgram{first.path(), "first"}));
}

TEST(MakeOnPath, None) {
  const TempDir empty;
  EXPECT_EQ(make_on_path(empty.path()), std::nullopt);
  EXPECT_EQ(make_on_path("/missing:" + empty.path()), std::nullopt);
}

TEST(MakeOnPath, AnEmptyEntryIsTheCurrentFolder) {
  const ScriptedMake make("echo here");
  test::Child child([&make] {
    if (chdir(make.folder().c_str()) != 0) return 1;
    for (const char* path : {"", ":/missing", "/missing:", "/missing::/missing"}) {
      if (make_on_path(path) != MakeProgram{"./make", "here"}) return 2;
    }
    return 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST(MakeVersion, TheFirstLineAndNoMore) {
  EXPECT_EQ(version(ScriptedMake("echo one; echo two")), "one");
  EXPECT_EQ(version(ScriptedMake("printf one")), "one");
  EXPECT_EQ(version(ScriptedMake("echo; echo two")), "");
  EXPECT_EQ(version(ScriptedMake("echo $#:$1")), "1:--version");
}

TEST(MakeVersion, AMakeThatPrintsNone) {
  EXPECT_EQ(version(ScriptedMake("echo wrong >&2; exit 1")), "");
  EXPECT_EQ(version(ScriptedMake("cat")), "") << "its standard input is empty";
  const ScriptedMake foreign("");
  test::write_file(foreign.path(),
                   "\x7f"
                   "ELF of another machine");
  EXPECT_EQ(version(foreign), "");
}

TEST(MakeVersion, ALineWithoutAnEndIsCut) {
  EXPECT_EQ(version(ScriptedMake("exec tr '\\0' x </dev/zero")), std::string(1000, 'x'));
}

TEST(MakeVersion, ItIsNoPartOfTheMakeAround) {
  const ScopedEnv makeflags("MAKEFLAGS", "-j3 --jobserver-auth=fifo:/missing");
  const ScopedEnv mflags("MFLAGS", "-j3 --jobserver-auth=fifo:/missing");
  const ScopedEnv cargo("CARGO_MAKEFLAGS", "-j3 --jobserver-auth=fifo:/missing");
  const ScopedEnv options("GNUMAKEFLAGS", "--no-such-option");
  const ScopedEnv level("MAKELEVEL", "1");
  const ScopedEnv files("MAKEFILES", "/missing");
  const ScopedEnv other("JOBSLOTS_TEST_OTHER", "kept");
  EXPECT_EQ(version(ScriptedMake("echo \"[$(env | grep MAKE; env | grep MFLAGS)]"
                                 " $JOBSLOTS_TEST_OTHER\"")),
            "[] kept");
}

/// Runs it, and waits for the end of everything that it has started.
std::string version_and_end(const std::string& script) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("pipe");
  const UniqueFd read_end(ends[0]);
  UniqueFd inherited(ends[1]);
  fcntl(read_end.get(), F_SETFD, FD_CLOEXEC);
  const std::string line = version(ScriptedMake(script), kShort);
  inherited.reset();
  EXPECT_TRUE(test::wait_readable(read_end.get())) << "somebody still has the other end";
  return line;
}

TEST(MakeVersion, OneThatHangsIsEndedWithAllThatItHasStarted) {
  EXPECT_EQ(version_and_end("sleep 1000"), "");
  EXPECT_EQ(version_and_end("sleep 1000 & sleep 1000 & wait"), "");
  EXPECT_EQ(version_and_end("trap '' TERM INT HUP; while :; do sleep 1000; done"), "");
}

TEST(MakeVersion, OneThatHangsBehindItsFirstLineIsEndedToo) {
  const ScriptedMake make("echo first; sleep 1000");
  EXPECT_EQ(version(make, test::kLimit), "first");
}

TEST(ProgramOf, ThisProcess) {
  test::Child child([] { return test::exec({"/bin/sleep", "1000"}, {}); });
  const std::string link = "/proc/" + std::to_string(child.pid()) + "/exe";
  ASSERT_TRUE(test::eventually([&link] {
    const auto program = std::filesystem::read_symlink(link);
    return program != std::filesystem::read_symlink("/proc/self/exe");
  }));
  const auto found = program_of(child.pid());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, std::filesystem::read_symlink(link));
  EXPECT_THAT(found->version, testing::HasSubstr("sleep"));
}

TEST(ProgramOf, ProcessThatIsNotThere) {
  test::Child child([] { return 0; });
  ASSERT_EQ(child.wait_exit(), 0);
  EXPECT_EQ(program_of(child.pid()), std::nullopt);
}

TEST(EndsWithAFifo, GnuMakeBefore44) {
  for (const char* version : {"GNU Make 3.81", "GNU Make 4.3", "GNU Make 4.2.1"}) {
    EXPECT_TRUE(ends_with_a_fifo({"make", version})) << version;
  }
  for (const char* version : {"GNU Make 4.4", "GNU Make 4.4.1", "GNU Make 5.0", "bmake", ""}) {
    EXPECT_FALSE(ends_with_a_fifo({"make", version})) << version;
  }
}

}  // namespace
}  // namespace jobslots
