#include "system/rendezvous.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::TempDir;

std::string folder_of(const Rendezvous& rendezvous) {
  return std::filesystem::path(rendezvous.socket_path()).parent_path();
}

TEST(Rendezvous, IsInAFolderThatOnlyThisUserCanEnter) {
  const TempDir tmpdir;
  const Rendezvous rendezvous = must(Rendezvous::create(tmpdir.path().c_str()));
  EXPECT_THAT(rendezvous.socket_path(), testing::StartsWith(tmpdir.path() + "/"));
  struct stat status {};
  ASSERT_EQ(stat(folder_of(rendezvous).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_EQ(status.st_uid, geteuid());
}

TEST(Rendezvous, LeavesNothingBehind) {
  const TempDir tmpdir;
  {
    Rendezvous rendezvous = must(Rendezvous::create(tmpdir.path().c_str()));
    const Rendezvous moved = std::move(rendezvous);
    EXPECT_TRUE(std::filesystem::exists(moved.socket_path()));
  }
  EXPECT_TRUE(tmpdir.empty());
}

TEST(Rendezvous, ThePathIsWhereTheListeningSocketIsReached) {
  const TempDir tmpdir;
  const Rendezvous rendezvous = must(Rendezvous::create(tmpdir.path().c_str()));
  test::RemoteProcess remote;
  EXPECT_TRUE(remote.connect(rendezvous.socket_path()));
  EXPECT_TRUE(test::wait_readable(rendezvous.listening_fd()));
}

TEST(Rendezvous, TwoNeverCollide) {
  const TempDir tmpdir;
  const Rendezvous one = must(Rendezvous::create(tmpdir.path().c_str()));
  const Rendezvous other = must(Rendezvous::create(tmpdir.path().c_str()));
  EXPECT_NE(folder_of(one), folder_of(other));
}

/// Whether with that TMPDIR a usual place is taken instead, and nothing of it is left afterwards.
void expect_another_place_than(const char* tmpdir) {
  SCOPED_TRACE(tmpdir == nullptr ? "(null)" : tmpdir);
  std::string folder;
  {
    const Rendezvous rendezvous = must(Rendezvous::create(tmpdir));
    folder = folder_of(rendezvous);
    EXPECT_TRUE(std::filesystem::exists(rendezvous.socket_path()));
    EXPECT_THAT(folder, testing::MatchesRegex("/(tmp|var/tmp|dev/shm)/[^/]*"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(RendezvousElsewhere, NoTmpdir) {
  expect_another_place_than(nullptr);
  expect_another_place_than("");
}

TEST(RendezvousElsewhere, TmpdirIsRelative) {
  expect_another_place_than(".");
  expect_another_place_than("tmp");
}

TEST(RendezvousElsewhere, TmpdirIsMissing) { expect_another_place_than("/nowhere"); }

TEST(RendezvousElsewhere, TmpdirIsAFile) {
  const TempDir folder;
  test::write_file(folder / "file", "");
  expect_another_place_than((folder / "file").c_str());
}

TEST(RendezvousElsewhere, TmpdirIsTooLongForASocketAddress) {
  const TempDir folder;
  const std::string tmpdir = folder / std::string(100, 'x');
  ASSERT_TRUE(std::filesystem::create_directory(tmpdir));
  expect_another_place_than(tmpdir.c_str());
  EXPECT_TRUE(std::filesystem::is_empty(tmpdir));
}

TEST(RendezvousElsewhere, TmpdirIsJustTooLongOrJustShortEnough) {
  const TempDir folder;
  // The longest path of a socket is 107 bytes, of which "/jobslots-XXXXXX/broker" takes 23.
  const std::string longest = folder / std::string(107 - 23 - folder.path().size() - 1, 'x');
  ASSERT_TRUE(std::filesystem::create_directory(longest));
  ASSERT_TRUE(std::filesystem::create_directory(longest + "x"));
  EXPECT_THAT(must(Rendezvous::create(longest.c_str())).socket_path(),
              testing::StartsWith(longest));
  expect_another_place_than((longest + "x").c_str());
}

TEST(RendezvousElsewhere, TmpdirMayNotBeWritten) {
  const TempDir folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0500), 0);
  test::Child child([&folder] {
    test::drop_root();
    expect_another_place_than(folder.path().c_str());
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

}  // namespace
}  // namespace jobslots
