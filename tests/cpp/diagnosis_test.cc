#include "doctor/diagnosis.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <map>

#include "jobslots/server.h"
#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;
using Environment = std::map<std::string, std::string>;

GetEnv lookup(const Environment& environment) {
  return [&environment](const char* name) {
    const auto entry = environment.find(name);
    return entry == environment.end() ? nullptr : entry->second.c_str();
  };
}

Diagnosis diagnosis(const Environment& environment) { return diagnose(lookup(environment)); }

std::string numbers(const test::FdPair& pipe) {
  return std::to_string(pipe.first.get()) + "," + std::to_string(pipe.second.get());
}

/// What the broker would tell the plugin.
std::string reason_line(const Environment& environment) {
  return must_fail(TokenSource::from_environment(lookup(environment))).message();
}

TEST(Diagnosis, OfAFifo) {
  const Server server = must(Server::create(3));
  const Diagnosis found = diagnosis({{"MAKEFLAGS", server.makeflags()}});
  EXPECT_EQ(found.makeflags, server.makeflags());
  EXPECT_EQ(found.variable, "MAKEFLAGS");
  EXPECT_EQ(found.value, server.makeflags());
  EXPECT_EQ(found.jobserver, must(parse_makeflags(server.makeflags())));
  EXPECT_EQ(found.reached, (Reached{false, std::nullopt, 2}));
}

TEST(Diagnosis, CountsWhatIsFreeAndTakesNothing) {
  const Server server = must(Server::create(4));
  TokenSource neighbour = must(test::open_tokens(server.makeflags()));
  const auto token = neighbour.try_take();
  ASSERT_TRUE(token);
  EXPECT_EQ(diagnosis({{"MAKEFLAGS", server.makeflags()}}).reached->tokens_free, 2);
  EXPECT_EQ(server.tokens_available(), 2);
  ASSERT_TRUE(neighbour.try_return(*token));
  EXPECT_EQ(diagnosis({{"MAKEFLAGS", server.makeflags()}}).reached->tokens_free, 3);
  EXPECT_EQ(server.tokens_available(), 3);
}

TEST(Diagnosis, OfInheritedDescriptors) {
  const test::FdPair pipe = test::make_pipe();
  ASSERT_EQ(write(pipe.second.get(), "++", 2), 2);
  const Diagnosis found = diagnosis({{"MAKEFLAGS", "-j4 --jobserver-auth=" + numbers(pipe)}});
  EXPECT_EQ(found.reached, (Reached{false, std::nullopt, 2}));
}

TEST(Diagnosis, OfTheDescriptorsOfMake) {
  const test::FdPair pipe = test::make_pipe();
  ASSERT_EQ(write(pipe.second.get(), "+", 1), 1);
  const std::string makeflags = "-j4 --jobserver-auth=" + numbers(pipe) + " --jobserver-auth=-2,-2";
  const auto status = test::below_a_process_named("make", [&pipe, &makeflags] {
    close(pipe.first.get());
    close(pipe.second.get());
    const Diagnosis found = diagnosis({{"MAKEFLAGS", makeflags}});
    const bool right = found.reached == Reached{false, getppid(), 1} && found.ancestor &&
                       found.ancestor->process == getppid() && found.ancestor->program;
    return right ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST(Diagnosis, OfADeviceWhoseTokensCannotBeCounted) {
  auto [make, path] = test::make_terminal();
  ASSERT_EQ(write(make.get(), "+", 1), 1);
  const Diagnosis found = diagnosis({{"MAKEFLAGS", "-j2 --jobserver-auth=fifo:" + path}});
  EXPECT_EQ(found.reached, (Reached{true, std::nullopt, std::nullopt}));
  TokenSource tokens = must(test::open_tokens("--jobserver-auth=fifo:" + path));
  EXPECT_EQ(tokens.try_take(), '+') << "it is still there";
}

TEST(Diagnosis, NamesTheVariableThatSpeaksOfAJobserver) {
  const Server server = must(Server::create(2));
  const Diagnosis found = diagnosis({{"MAKEFLAGS", "k"}, {"CARGO_MAKEFLAGS", server.makeflags()}});
  EXPECT_EQ(found.makeflags, "k");
  EXPECT_EQ(found.variable, "CARGO_MAKEFLAGS");
  EXPECT_EQ(found.value, server.makeflags());
  EXPECT_EQ(found.reached->tokens_free, 1);
}

TEST(Diagnosis, TheVerdictIsWhatTheBrokerSays) {
  const test::TempDir folder;
  test::write_file(folder / "file", "");
  const std::map<std::string, Reason> broken{
      {"-j3 --jobserver-auth=900,901", Reason::kBadDescriptor},
      {"-j3 --jobserver-auth=-2,-2", Reason::kWithheld},
      {"-j3 --jobserver-auth=fifo:" + (folder / "none"), Reason::kFifoMissing},
      {"-j3 --jobserver-auth=fifo:" + (folder / "file"), Reason::kNotAFifo},
      {"-j3 --jobserver-auth=fifo:" + std::string(5000, 'x'), Reason::kSystem},
      {"-j3 --jobserver-auth=what?", Reason::kNotUnderstood}};
  for (const auto& [makeflags, reason] : broken) {
    const Environment environment{{"MAKEFLAGS", makeflags}};
    const Diagnosis found = diagnosis(environment);
    const Unavailable why = found.why_not.value();
    EXPECT_EQ(why.reason, reason) << makeflags;
    EXPECT_EQ(why.message(), reason_line(environment)) << makeflags;
    EXPECT_EQ(found.variable, "MAKEFLAGS") << makeflags;
    EXPECT_EQ(found.jobserver.has_value(), reason != Reason::kNotUnderstood) << makeflags;
  }
}

/// In a root directory of its own there is none of the places that the broker's socket may have.
TEST(Diagnosis, NoPlaceForTheBrokersSocket) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may change its root directory";
  const test::TempDir root;
  ASSERT_EQ(mkfifo((root / "fifo").c_str(), 0600), 0);
  test::Child child([&root] {
    if (chroot(root.path().c_str()) != 0) return 1;
    const Diagnosis found = diagnosis({{"MAKEFLAGS", "-j3 --jobserver-auth=fifo:/fifo"}});
    const bool right = found.reached == Reached{false, std::nullopt, 0} && found.why_not &&
                       found.why_not->reason == Reason::kSystem;
    return right ? 0 : 2;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST(Diagnosis, WhereNothingSpeaksOfAJobserver) {
  const Diagnosis found = diagnosis({{"MAKELEVEL", "1"}, {"MAKEFLAGS", "s"}});
  EXPECT_EQ(found.makeflags, "s");
  EXPECT_EQ(found.variable, "");
  EXPECT_EQ(found.jobserver, std::nullopt);
  const auto reason = test::as_an_orphan([] {
    const Diagnosis orphans = diagnosis({{"MAKELEVEL", "1"}, {"MAKEFLAGS", "s"}});
    return static_cast<int>(orphans.why_not.value().reason);
  });
  EXPECT_EQ(reason, static_cast<int>(Reason::kOneJob));
}

TEST(Diagnosis, TheMakeOnPath) {
  const test::TempDir empty;
  EXPECT_EQ(diagnosis({{"PATH", empty.path()}}).on_path, std::nullopt);
  EXPECT_TRUE(diagnosis({{"PATH", "/usr/bin:/bin"}}).on_path);
  EXPECT_TRUE(diagnosis({}).on_path) << "where a shell looks without PATH";
}

}  // namespace
}  // namespace jobslots
