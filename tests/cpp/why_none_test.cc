#include "core/why_none.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <map>

#include "support.h"

namespace jobslots {
namespace {

using test::Child;
using Environment = std::map<std::string, std::string>;

Unavailable none(const Environment& environment, std::optional<pid_t> make_process = {}) {
  return why_none(
      [&environment](const char* name) {
        const auto entry = environment.find(name);
        return entry == environment.end() ? nullptr : entry->second.c_str();
      },
      make_process);
}

/// A process that was started with these words, as a make may be, until the test ends.
class Started {
 public:
  explicit Started(const std::vector<std::string>& words, const Environment& environment = {})
      : child_([&] {
          // These words of the shell's own are targets for make.
          std::vector<std::string> command{"/bin/sh", "-s", "target"};
          command.insert(command.end(), words.begin(), words.end());
          dup2(pipe_.first.get(), STDIN_FILENO);
          return test::exec(command, environment);
        }) {
    const std::string path = "/proc/" + std::to_string(pid()) + "/cmdline";
    const bool started =
        test::eventually([&path] { return test::read_file(path).starts_with("/bin/sh"); });
    if (!started) throw std::runtime_error("/bin/sh has not started");
  }
  pid_t pid() const { return child_.pid(); }

 private:
  test::FdPair pipe_ = test::make_pipe();  ///< Where it waits for commands.
  Child child_;
};

TEST(WhyNone, NotInsideMake) {
  EXPECT_EQ(none({}).reason, Reason::kNone);
  EXPECT_EQ(none({{"MAKEFLAGS", "-j8"}}).reason, Reason::kNone) << "set by hand";
  EXPECT_EQ(none({}).detail, "this is not inside make -jN");
}

TEST(WhyNone, OneJobAtATime) {
  for (const char* makeflags : {"", "ks", "s -j1", "--jobs=1"}) {
    EXPECT_EQ(none({{"MAKELEVEL", "1"}, {"MAKEFLAGS", makeflags}}).reason, Reason::kOneJob)
        << makeflags;
  }
  EXPECT_THAT(none({{"MAKELEVEL", "2"}, {"MAKEFLAGS", " -j1"}}).detail, testing::HasSubstr("-j1"));
}

TEST(WhyNone, WithoutALimit) {
  EXPECT_EQ(none({{"MAKELEVEL", "1"}, {"MAKEFLAGS", "s -j"}}).reason, Reason::kUnlimited);
}

TEST(WhyNone, SomethingRemovesIt) {
  Child ended([] { return 0; });
  ASSERT_EQ(ended.wait_exit(), 0);
  const Unavailable cleaned = none({}, ended.pid());
  EXPECT_EQ(cleaned.reason, Reason::kRemoved);
  EXPECT_THAT(cleaned.detail, testing::HasSubstr("process " + std::to_string(ended.pid())));
  EXPECT_EQ(none({{"MAKELEVEL", "1"}}).reason, Reason::kRemoved);
  EXPECT_EQ(none({{"MAKELEVEL", "1"}, {"MAKEFLAGS", "-j8"}}).reason, Reason::kRemoved);
}

TEST(WhyNone, OfAMakeWhoseCommandLineTells) {
  const std::vector<std::pair<std::vector<std::string>, Reason>> commands{
      {{"-j8"}, Reason::kRemoved},        {{"-kj8"}, Reason::kRemoved},
      {{"-j", "8"}, Reason::kRemoved},    {{"--jobs", "8"}, Reason::kRemoved},
      {{"--jobs=8"}, Reason::kRemoved},   {{"-j", "1"}, Reason::kOneJob},
      {{"-kj1"}, Reason::kOneJob},        {{"-k"}, Reason::kOneJob},
      {{"-j", "all"}, Reason::kUnlimited}};
  for (const auto& [words, reason] : commands) {
    const Started make(words);
    EXPECT_EQ(none({}, make.pid()).reason, reason) << testing::PrintToString(words);
    EXPECT_EQ(none({{"MAKEFLAGS", "w"}}, make.pid()).reason, reason)
        << testing::PrintToString(words);
  }
}

TEST(WhyNone, OfASubMakeWhoseEnvironmentTells) {
  const Started with({"-k"}, {{"MAKEFLAGS", "k -j4 --jobserver-auth=3,4"}});
  EXPECT_EQ(none({}, with.pid()).reason, Reason::kRemoved);
  EXPECT_THAT(none({}, with.pid()).detail, testing::HasSubstr("-j4"));
  const Started without({"-k"}, {{"MAKEFLAGS", "k -j1"}});
  EXPECT_EQ(none({}, without.pid()).reason, Reason::kOneJob);
  EXPECT_EQ(jobs_given_to(with.pid()), 4U);
  EXPECT_EQ(jobs_given_to(without.pid()), 1U);
}

TEST(WhyNone, OfAMakeOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  const Started make({"-j8"});
  Child child([&make] {
    test::drop_root();
    const auto why = none({}, make.pid());
    return why.reason == Reason::kRemoved && why.cure() == "run make and pytest as the same user"
               ? 0
               : 1;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

/// Whether the cure that is named below a process of that name is this one.
bool cure_below(const char* name, std::string_view cure) {
  const Started make({"-j8"});
  const auto status = test::below_a_process_named(
      name, [&] { return none({}, make.pid()).cure().find(cure) == std::string::npos ? 1 : 0; });
  return status == 0;
}

TEST(WhyNone, NamesTheCureForTheToolAtHand) {
  EXPECT_TRUE(cure_below("tox", "pass_env = MAKEFLAGS in the configuration of tox"));
  EXPECT_TRUE(cure_below("sudo", "sudo --preserve-env=MAKEFLAGS"));
  EXPECT_TRUE(cure_below("su", "su without -"));
  EXPECT_TRUE(cure_below("sh", "unexport in a makefile may remove it"));
}

}  // namespace
}  // namespace jobslots
