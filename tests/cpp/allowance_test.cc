#include "system/allowance.h"

#include <gmock/gmock.h>
#include <sched.h>

#include <filesystem>

#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;
using testing::HasSubstr;

/// A machine whose control groups are folders of the test's own.
class Allowance : public testing::Test {
 protected:
  /// On a machine with one CPU there is nothing that a quota could limit.
  void SetUp() override {
    if (cpus() < 2) GTEST_SKIP() << "needs 2 CPUs";
  }
  static unsigned cpus() {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return static_cast<unsigned>(CPU_COUNT(&set));
  }
  void own_groups(std::string_view lines) { test::write_file(folder_ / "own", lines); }
  void write(const std::string& file, std::string_view text) {
    const std::filesystem::path path = folder_ / file;
    std::filesystem::create_directories(path.parent_path());
    test::write_file(path, text);
  }
  Result<unsigned> answer(const char* variable = nullptr) {
    return allowed_jobs([variable](const char*) { return variable; },
                        {folder_.path(), folder_ / "own"});
  }
  unsigned allowed() { return must(answer()); }

  test::TempDir folder_;
};

TEST_F(Allowance, WithoutLimitItIsTheAffinity) {
  EXPECT_EQ(allowed(), cpus()) << "no control groups";
  own_groups("0::/a/b\n");
  EXPECT_EQ(allowed(), cpus()) << "no such group";
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(allowed(), cpus());
  write("a/b/cpu.max", "100000000 100000\n");
  EXPECT_EQ(allowed(), cpus()) << "more than there are";
}

TEST_F(Allowance, OneCpuOfTheAffinity) {
  test::Child child([this] {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set) && kept++ > 0) CPU_CLR(cpu, &set);
    }
    if (sched_setaffinity(0, sizeof set, &set) != 0) return 100;
    return static_cast<int>(allowed());
  });
  EXPECT_EQ(child.wait_exit(), 1);
}

TEST_F(Allowance, QuotaIsRoundedUp) {
  own_groups("0::/a\n");
  write("a/cpu.max", "100000 100000\n");
  EXPECT_EQ(allowed(), 1);
  write("a/cpu.max", "100001 100000\n");
  EXPECT_EQ(allowed(), 2);
  write("a/cpu.max", "1000 100000\n");
  EXPECT_EQ(allowed(), 1);
}

TEST_F(Allowance, QuotaOfAGroupAbove) {
  own_groups("0::/a/b/c\n");
  write("a/b/c/cpu.max", "max 100000\n");
  write("a/cpu.max", "50000 100000\n");
  EXPECT_EQ(allowed(), 1);
}

TEST_F(Allowance, QuotaOfAContainerThatSeesThePathOfTheHost) {
  own_groups("0::/docker/123\n");
  write("cpu.max", "50000 100000\n");
  EXPECT_EQ(allowed(), 1);
}

TEST_F(Allowance, QuotaOfVersion1) {
  own_groups("5:cpuset:/x\n4:cpuacct,cpu:/a\n0::/\n");
  write("cpu/a/cpu.cfs_quota_us", "-1\n");
  write("cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(allowed(), cpus());
  write("cpu/a/cpu.cfs_quota_us", "90000\n");
  EXPECT_EQ(allowed(), 1);
}

TEST_F(Allowance, FilesThatHoldSomethingElse) {
  own_groups("0::/a\nnonsense\n:\n");
  for (const char* text : {"", "0 0\n", "nonsense\n", "5\n", "-5 100000\n"}) {
    write("a/cpu.max", text);
    EXPECT_EQ(allowed(), cpus()) << text;
  }
}

TEST_F(Allowance, TheVariableOverrides) {
  EXPECT_EQ(must(answer("77")), 77);
  for (const char* value : {"", "0", "-1", "x", "3x", " 3", "99999999999"}) {
    EXPECT_THAT(must_fail(answer(value)).message(),
                HasSubstr("JOBSLOTS_JOBS is \"" + std::string(value) + "\""));
  }
}

}  // namespace
}  // namespace jobslots
