#include "core/jobserver_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>

#include "jobslots/server.h"
#include "jobslots/token_source.h"
#include "support.h"

namespace jobslots {
namespace {

using test::below_a_process_named;
using test::FdPair;
using test::must;
using test::must_fail;
using test::TempDir;

Result<TokenSource> open_pair(int read_fd, int write_fd) {
  return TokenSource::open({PipeAuth{read_fd, write_fd, false}, 3});
}

void put(int fd, std::string_view bytes) {
  if (write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("write");
  }
}

/// Two stream sockets: what one takes the other has sent.
FdPair make_streams() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error("socketpair");
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

#define CHECK_IN_CHILD(condition)                                      \
  do {                                                                 \
    if (!(condition)) throw std::runtime_error("not so: " #condition); \
  } while (false)

/// Takes both tokens "ab" and finds no third one, without waiting; then gives them back.
void take_and_return(TokenSource& tokens) {
  CHECK_IN_CHILD(tokens.tokens_available() == 2);
  CHECK_IN_CHILD(tokens.try_take() == 'a');
  CHECK_IN_CHILD(tokens.try_take() == 'b');
  CHECK_IN_CHILD(!tokens.try_take());
  CHECK_IN_CHILD(!tokens.lost());
  CHECK_IN_CHILD(tokens.try_return('a'));
  CHECK_IN_CHILD(tokens.try_return('b'));
}

int flags_of(int fd) { return fcntl(fd, F_GETFL); }

TEST(JobserverOverASocket, TokensAreTakenAndReturnedAndTheFlagsStay) {
  const FdPair sockets = make_streams();
  put(sockets.first.get(), "ab");
  const int fd = sockets.second.get();
  const auto status = below_a_process_named("server", [&sockets, fd] {
    for (const int flags : {O_RDWR, O_RDWR | O_NONBLOCK}) {
      CHECK_IN_CHILD(fcntl(fd, F_SETFL, flags) == 0);
      TokenSource tokens = must(open_pair(fd, fd));
      CHECK_IN_CHILD(tokens.read_fd() == tokens.write_fd());
      take_and_return(tokens);
      CHECK_IN_CHILD(flags_of(fd) == flags);
      std::array<char, 2> returned{};
      CHECK_IN_CHILD(read(sockets.first.get(), returned.data(), 2) == 2);
      put(sockets.first.get(), "ab");
    }
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(JobserverOverASocket, TheServersEndIsSeen) {
  FdPair sockets = make_streams();
  put(sockets.first.get(), "a");
  const auto status = below_a_process_named("server", [&sockets] {
    const int fd = sockets.second.get();
    TokenSource tokens = must(open_pair(fd, fd));
    CHECK_IN_CHILD(tokens.try_take() == 'a');
    return 0;
  });
  EXPECT_EQ(status, 0);
  put(sockets.first.get(), "a");
  const auto alone = below_a_process_named("server", [&sockets] {
    const int fd = sockets.second.get();
    TokenSource tokens = must(open_pair(fd, fd));
    CHECK_IN_CHILD(tokens.try_take() == 'a');
    CHECK_IN_CHILD(shutdown(sockets.first.get(), SHUT_RDWR) == 0);
    CHECK_IN_CHILD(!tokens.try_take());
    CHECK_IN_CHILD(tokens.lost());
    CHECK_IN_CHILD(tokens.try_return('a'));  // No SIGPIPE.
    return 0;
  });
  EXPECT_EQ(alone, 0);
}

TEST(JobserverOfTwoPipes, TokensAreTakenAndReturnedAndTheFlagsStay) {
  const FdPair down = test::make_pipe();
  FdPair up = test::make_pipe();
  put(down.second.get(), "ab");
  const auto status = below_a_process_named("server", [&] {
    const int read_flags = flags_of(down.first.get());
    const int write_flags = flags_of(up.second.get());
    TokenSource tokens = must(open_pair(down.first.get(), up.second.get()));
    take_and_return(tokens);
    CHECK_IN_CHILD(flags_of(down.first.get()) == read_flags);
    CHECK_IN_CHILD(flags_of(up.second.get()) == write_flags);
    std::array<char, 3> returned{};
    CHECK_IN_CHILD(read(up.first.get(), returned.data(), 3) == 2);
    CHECK_IN_CHILD(returned[0] == 'a' && returned[1] == 'b');
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(JobserverOfTwoPipes, AServerThatReadsNoMoreKillsNobody) {
  const FdPair down = test::make_pipe();
  std::array<int, 2> up{};
  ASSERT_EQ(pipe2(up.data(), O_CLOEXEC), 0);
  UniqueFd reader(up[0]);
  const UniqueFd writer(up[1]);
  put(down.second.get(), "a");
  const auto report = test::make_pipe();
  test::Child server([&] {
    test::Child client([&] {
      reader.reset();
      TokenSource tokens = must(open_pair(down.first.get(), writer.get()));
      CHECK_IN_CHILD(tokens.try_take() == 'a');
      put(report.second.get(), "1");
      // Until the server and the test have closed their ends.
      CHECK_IN_CHILD(test::eventually([&] { return tokens.try_return('a') && tokens.lost(); }));
      return 0;
    });
    reader.reset();
    return client.wait_exit().value_or(1);
  });
  ASSERT_TRUE(test::wait_readable(report.first.get()));
  reader.reset();
  EXPECT_EQ(server.wait_exit(), 0);
}

TEST(OtherFilesThanTheServers, AreNoJobserver) {
  const FdPair one = test::make_pipe();
  const FdPair other = test::make_pipe();
  const FdPair sockets = make_streams();
  const auto status = below_a_process_named("server", [&] {
    // This process has opened them, not the one above it.
    const UniqueFd own_read(fcntl(one.first.get(), F_DUPFD, 800));
    const UniqueFd own_write(fcntl(other.second.get(), F_DUPFD, 800));
    const UniqueFd own_socket(fcntl(sockets.first.get(), F_DUPFD, 800));
    for (const auto& [read_fd, write_fd] : {std::pair(own_read.get(), own_write.get()),
                                            std::pair(own_socket.get(), own_socket.get())}) {
      const auto why = must_fail(open_pair(read_fd, write_fd));
      CHECK_IN_CHILD(why.reason == Reason::kBadDescriptor);
    }
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(AForeignPipeAtTheNumbersOfMake, IsLeftAlone) {
  const FdPair makes = test::make_pipe();
  put(makes.second.get(), "ab");
  const auto status = below_a_process_named("make", [&makes] {
    const FdPair foreign = test::make_pipe();
    put(foreign.second.get(), "xyz");
    const int read_fd = makes.first.get();
    const int write_fd = makes.second.get();
    CHECK_IN_CHILD(dup2(foreign.first.get(), read_fd) == read_fd);
    CHECK_IN_CHILD(dup2(foreign.second.get(), write_fd) == write_fd);
    TokenSource tokens = must(open_pair(read_fd, write_fd));
    CHECK_IN_CHILD(tokens.holder() == getppid());
    take_and_return(tokens);
    std::array<char, 4> text{};
    CHECK_IN_CHILD(read(read_fd, text.data(), 4) == 3);
    CHECK_IN_CHILD(std::string_view(text.data()) == "xyz");
    return 0;
  });
  EXPECT_EQ(status, 0);
}

class SharedPipe : public testing::Test {
 protected:
  /// Runs it in a process that cannot open the pipe anew, because it is another user's.
  static std::optional<int> as_another_user(const FdPair& pipe, auto body) {
    return below_a_process_named("server", [&pipe, &body] {
      test::drop_root();
      CHECK_IN_CHILD(open(("/proc/self/fd/" + std::to_string(pipe.first.get())).c_str(),
                          O_RDONLY | O_CLOEXEC | O_NONBLOCK) < 0);
      body();
      return 0;
    });
  }
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  }
  const FdPair pipe_ = test::make_pipe();
};

TEST_F(SharedPipe, OfAnotherUser) {
  put(pipe_.second.get(), "ab");
  EXPECT_EQ(as_another_user(pipe_,
                            [this] {
                              const int flags = flags_of(pipe_.first.get());
                              CHECK_IN_CHILD((flags & O_NONBLOCK) == 0);
                              TokenSource tokens =
                                  must(open_pair(pipe_.first.get(), pipe_.second.get()));
                              take_and_return(tokens);
                              take_and_return(tokens);
                              CHECK_IN_CHILD(flags_of(pipe_.first.get()) == flags);
                              CHECK_IN_CHILD((flags_of(pipe_.second.get()) & O_NONBLOCK) == 0);
                            }),
            0);
}

TEST_F(SharedPipe, ThatIsFullTakesTheTokenLater) {
  const int size = fcntl(pipe_.second.get(), F_SETPIPE_SZ, 4096);
  ASSERT_GT(size, 0);
  put(pipe_.second.get(), std::string(static_cast<std::size_t>(size), '+'));
  EXPECT_EQ(as_another_user(pipe_,
                            [this, size] {
                              TokenSource tokens =
                                  must(open_pair(pipe_.first.get(), pipe_.second.get()));
                              CHECK_IN_CHILD(!tokens.try_return('a'));
                              for (int i = 0; i < size; ++i)
                                CHECK_IN_CHILD(tokens.try_take() == '+');
                              CHECK_IN_CHILD(tokens.try_return('a'));
                              CHECK_IN_CHILD(tokens.try_take() == 'a');
                            }),
            0);
}

/// Another client waits in read(2), as a make before 4.4 without pselect(2) does, and takes tokens
/// that poll(2) has shown to this one.
TEST_F(SharedPipe, WithAnotherClientThatTakesTokensAway) {
  EXPECT_EQ(as_another_user(pipe_,
                            [this] {
                              TokenSource tokens =
                                  must(open_pair(pipe_.first.get(), pipe_.second.get()));
                              put(pipe_.second.get(), "a");
                              CHECK_IN_CHILD(test::wait_readable(tokens.read_fd()));
                              char token = 0;
                              CHECK_IN_CHILD(read(pipe_.first.get(), &token, 1) == 1);
                              CHECK_IN_CHILD(!tokens.try_take());
                              CHECK_IN_CHILD(!tokens.lost());
                            }),
            0);
}

TEST(WithoutProc, WhatWasInheritedIsUsedItself) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may change its root directory";
  const TempDir empty;
  const FdPair pipe = test::make_pipe();
  put(pipe.second.get(), "ab");
  const FdPair sockets = make_streams();
  put(sockets.first.get(), "ab");
  test::Child child([&] {
    CHECK_IN_CHILD(chroot(empty.path().c_str()) == 0);
    TokenSource of_pipe = must(open_pair(pipe.first.get(), pipe.second.get()));
    take_and_return(of_pipe);
    TokenSource of_socket = must(open_pair(sockets.second.get(), sockets.second.get()));
    take_and_return(of_socket);
    const auto why = must_fail(open_pair(pipe.second.get(), pipe.first.get()));
    CHECK_IN_CHILD(why.reason == Reason::kBadDescriptor);
    return 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

TEST(AFifoThatIsNotFound, IsWhereTheProcessesAboveSeeIt) {
  const TempDir folder;
  const TempDir elsewhere;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const UniqueFd fifo(open((folder / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  put(fifo.get(), "ab");
  test::Child make([&] {
    CHECK_IN_CHILD(chdir(folder.path().c_str()) == 0);
    return below_a_process_named(
               "sh",
               [&] {
                 CHECK_IN_CHILD(chdir(elsewhere.path().c_str()) == 0);
                 TokenSource tokens = must(test::open_tokens("-j3 --jobserver-auth=fifo:./fifo"));
                 take_and_return(tokens);
                 const auto why = must_fail(test::open_tokens("--jobserver-auth=fifo:./none"));
                 CHECK_IN_CHILD(why.reason == Reason::kFifoMissing);
                 CHECK_IN_CHILD(why.detail == "the jobserver fifo \"./none\" does not exist");
                 return 0;
               })
        .value_or(1);
  });
  EXPECT_EQ(make.wait_exit(), 0);
}

TEST(AFifoThatIsNotFound, IsBehindAPrivateFolderOfThisProcess) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may mount";
  const TempDir folder;
  const Server server = must(Server::create(3, folder.path()));
  test::Child make([&] {
    return below_a_process_named(
               "sh",
               [&] {
                 // As in a container without the right, or in a chroot that is no mount point.
                 if (unshare(CLONE_NEWNS) != 0 ||
                     mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
                   return 77;
                 }
                 CHECK_IN_CHILD(mount("none", folder.path().c_str(), "tmpfs", 0, nullptr) == 0);
                 CHECK_IN_CHILD(folder.empty());
                 TokenSource tokens = must(test::open_tokens(server.makeflags()));
                 CHECK_IN_CHILD(tokens.tokens_available() == 2);
                 return 0;
               })
        .value_or(1);
  });
  const auto status = make.wait_exit();
  if (status == 77) GTEST_SKIP() << "mount namespaces are not permitted here";
  EXPECT_EQ(status, 0);
}

TEST(AFifoPath, MayBeThatOfADescriptor) {
  const FdPair pipe = test::make_pipe();
  put(pipe.second.get(), "ab");
  for (const int fd : {pipe.first.get(), pipe.second.get()}) {
    TokenSource tokens =
        must(test::open_tokens("-j3 --jobserver-auth=fifo:/proc/" + std::to_string(getpid()) +
                               "/fd/" + std::to_string(fd)));
    take_and_return(tokens);
  }
}

TEST(WithoutADescriptorLeft, TheSystemsReasonIsNamedAndItsCure) {
  const Server server = must(Server::create(2));
  const FdPair pipe = test::make_pipe();
  auto [terminal, path] = test::make_terminal();
  const std::vector<std::string> jobservers{server.makeflags(), "--jobserver-auth=fifo:" + path,
                                            "--jobserver-auth=" + std::to_string(pipe.first.get()) +
                                                "," + std::to_string(pipe.second.get())};
  test::Child child([&jobservers] {
    const rlimit few{800, 800};
    CHECK_IN_CHILD(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (const std::string& makeflags : jobservers) {
      for (const bool one_left : {false, true}) {
        std::vector<UniqueFd> all;
        do all.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
        while (all.back());
        if (one_left) all.erase(all.begin());
        const auto tokens = test::open_tokens(makeflags);
        const auto* why = std::get_if<Unavailable>(&tokens);
        if (one_left && why == nullptr) continue;  // It needs no more.
        CHECK_IN_CHILD(why != nullptr && why->reason == Reason::kSystem);
        CHECK_IN_CHILD(why->detail.find("Too many open files") != std::string::npos);
        CHECK_IN_CHILD(why->cure().find("ulimit -n") != std::string::npos);
      }
    }
    return 0;
  });
  EXPECT_EQ(child.wait_exit(), 0);
}

}  // namespace
}  // namespace jobslots
