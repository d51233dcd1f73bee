#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "jobslots/pool_client.h"
#include "pool/place.h"
#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;
using test::TempDir;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uid_t kNobody = 65534;

const std::string kOfTmp = "/tmp/jobslots-" + std::to_string(geteuid());

/// The folder of the pool that the word names where the environment has these variables.
Result<PoolPlace> named(const std::string& word,
                        const std::map<std::string, std::string>& environment = {}) {
  return PoolPlace::named(word, [&](const char* name) -> const char* {
    const auto variable = environment.find(name);
    return variable == environment.end() ? nullptr : variable->second.c_str();
  });
}

std::string folder_of_machine(const std::string& runtime_dir) {
  return must(named("machine", {{"XDG_RUNTIME_DIR", runtime_dir}})).directory;
}

TEST(PoolPlace, OfTheMachineIsInTheRuntimeFolder) {
  const TempDir runtime;
  EXPECT_EQ(folder_of_machine(runtime.path()), runtime / "jobslots");
}

TEST(PoolPlace, OfTheMachineIsInTmpWhereThereIsNoRuntimeFolder) {
  const TempDir folder;
  test::write_file(folder / "file", "");
  std::filesystem::create_directory_symlink(folder.path(), folder / "link");
  const std::string usual = "/run/user/" + std::to_string(geteuid());
  EXPECT_EQ(must(named("machine")).directory,
            access(usual.c_str(), F_OK) == 0 ? usual + "/jobslots" : kOfTmp);
  EXPECT_EQ(folder_of_machine(""), kOfTmp);
  EXPECT_EQ(folder_of_machine("."), kOfTmp) << "relative";
  EXPECT_EQ(folder_of_machine(folder / "missing"), kOfTmp);
  EXPECT_EQ(folder_of_machine(folder / "file"), kOfTmp);
  EXPECT_EQ(folder_of_machine(folder / "link"), kOfTmp);
}

TEST(PoolPlace, AnotherUsersRuntimeFolderIsNone) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another user's folder";
  const TempDir runtime;
  ASSERT_EQ(chown(runtime.path().c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(folder_of_machine(runtime.path()), kOfTmp);
}

TEST(PoolPlace, IsNamedByItsFolderOrItsSocket) {
  EXPECT_EQ(must(named("/a/pool")).directory, "/a/pool");
  EXPECT_EQ(must(named("/a/pool/")).directory, "/a/pool");
  EXPECT_EQ(must(named("/a/pool/v1.socket")).directory, "/a/pool");
  EXPECT_EQ(must(named("/a/pool")).socket(), "/a/pool/v1.socket");
}

TEST(PoolPlace, AnyOtherWordIsNone) {
  for (const char* word : {"Machine", "a/pool", "./pool", "machine ", "1"}) {
    const auto why = must_fail(named(word));
    EXPECT_EQ(why.reason, Reason::kNotUnderstood);
    EXPECT_THAT(why.message(),
                StartsWith("there is no pool \"" + std::string(word) + "\"; cure: "));
  }
}

TEST(PoolPlace, IsFoundByItsFifoWhereItHasASocket) {
  const TempDir folder;
  const PoolPlace place{folder.path()};
  EXPECT_FALSE(PoolPlace::of_fifo(place.fifo()));
  test::write_file(place.socket(), "");
  EXPECT_FALSE(PoolPlace::of_fifo(folder / "another.fifo"));
  const auto found = PoolPlace::of_fifo(place.fifo());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->directory, folder.path());
}

TEST(PoolPlace, IsMadeForThisUserAlone) {
  const TempDir folder;
  const PoolPlace place{folder / "pool"};
  ASSERT_FALSE(place.prepare());
  struct stat status {};
  ASSERT_EQ(stat(place.directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  EXPECT_FALSE(place.prepare()) << "it is there already";
}

/// Why the folder cannot be a pool's, which begins by naming it.
std::string why_not(const std::string& folder) {
  const auto why = PoolPlace{folder}.prepare();
  if (!why) return "it can";
  EXPECT_EQ(why->reason, Reason::kNotPermitted);
  EXPECT_THAT(why->detail, StartsWith("the pool's folder " + folder + " "));
  EXPECT_THAT(why->cure(), HasSubstr("name another folder"));
  return why->detail;
}

TEST(PoolPlaceRefused, WhatIsNoFolder) {
  const TempDir folder;
  test::write_file(folder / "file", "");
  EXPECT_THAT(why_not(folder / "file"), HasSubstr("cannot be entered: Not a directory"));
  EXPECT_THAT(why_not(folder / "file/pool"), HasSubstr("cannot be made: Not a directory"));
  EXPECT_THAT(why_not(folder / "missing/pool"), HasSubstr("cannot be made: No such file"));
  std::filesystem::create_directory_symlink(folder.path(), folder / "link");
  EXPECT_THAT(why_not(folder / "link"), HasSubstr("cannot be entered: "))
      << "another user may have put it there";
}

TEST(PoolPlaceRefused, WhereOthersCanWrite) {
  const TempDir folder;
  for (const mode_t mode : {0720U, 0702U, 01777U}) {
    ASSERT_EQ(chmod(folder.path().c_str(), mode), 0);
    EXPECT_THAT(why_not(folder.path()), HasSubstr("can be written to by other users"));
  }
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  EXPECT_EQ(why_not(folder.path()), "it can") << "to look is allowed";
}

TEST(PoolPlaceRefused, AnotherUsersFolder) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another user's folder";
  const TempDir folder;
  ASSERT_EQ(chown(folder.path().c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(why_not(folder.path()), HasSubstr("belongs to another user"));
}

TEST(PoolPlaceRefused, APathThatIsTooLongForASocket) {
  const TempDir folder;
  // The longest path of a socket is 107 bytes (sun_path, unix(7)).
  const std::string deep = folder / std::string(100, 'x');
  const auto why = must_fail(PoolClient::connect(deep, "a test"));
  EXPECT_THAT(why.message(), HasSubstr(deep));
  EXPECT_THAT(why.message(), HasSubstr("too long"));
}

TEST(PoolPlace, TheWordOfTheEnvironment) {
  const auto word = [](const char* value) {
    return pool_word([value](const char*) { return value; });
  };
  EXPECT_EQ(word(nullptr), std::nullopt);
  EXPECT_EQ(word(""), std::nullopt);
  EXPECT_EQ(word("off"), std::nullopt);
  EXPECT_EQ(word("machine"), "machine");
}

TEST(PoolPlace, TheWeightOfTheEnvironment) {
  const auto weight = [](const char* value) {
    return weight_here([value](const char*) { return value; });
  };
  EXPECT_EQ(weight("7"), 7U);
  EXPECT_EQ(weight("1000"), 1000U);
  for (const char* wrong : {static_cast<const char*>(nullptr), "", "0", "-1", "1001", "1.5", "x"}) {
    EXPECT_EQ(weight(wrong), 1U);
  }
}

}  // namespace
}  // namespace jobslots
