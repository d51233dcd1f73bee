#include "jobslots/token_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "jobslots/server.h"
#include "support.h"

namespace jobslots {
namespace {

using test::FdPair;
using test::make_pipe;
using test::must;
using test::must_fail;
using test::open_tokens;
using test::TempDir;

Result<TokenSource> open_fifo(const std::string& path) {
  return TokenSource::open({FifoAuth{path}, std::nullopt});
}

Result<TokenSource> open_pipe(int read_fd, int write_fd) {
  return TokenSource::open({PipeAuth{read_fd, write_fd, false}, std::nullopt});
}

Result<TokenSource> open_pipe(const FdPair& pipe) {
  return open_pipe(pipe.first.get(), pipe.second.get());
}

void put(const UniqueFd& fd, std::string_view bytes) {
  ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

short ready(int fd, short events) {
  pollfd wanted{fd, events, 0};
  poll(&wanted, 1, 0);
  return wanted.revents;
}

TEST(TokenSourceFifo, TokensAreTakenAndReturned) {
  const Server server = must(Server::create(3));
  TokenSource tokens = must(open_tokens(server.makeflags()));
  EXPECT_EQ(tokens.tokens_available(), 2);
  const auto first = tokens.try_take();
  const auto second = tokens.try_take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(tokens.try_take(), std::nullopt);
  EXPECT_FALSE(tokens.lost()) << "none free at the moment is no loss";
  EXPECT_EQ(server.tokens_available(), 0);
  EXPECT_TRUE(tokens.try_return(*first));
  EXPECT_TRUE(tokens.try_return(*second));
  EXPECT_EQ(server.tokens_available(), 2);
}

TEST(TokenSourceFifo, TheSameByteIsTakenAndReturned) {
  const TempDir folder;
  const std::string path = folder / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const UniqueFd make(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  using namespace std::string_view_literals;
  put(make, "\0\xff+a"sv);
  TokenSource tokens = must(open_fifo(path));
  EXPECT_EQ(tokens.try_take(), '\0');
  EXPECT_EQ(tokens.try_take(), '\xff');
  EXPECT_TRUE(tokens.try_return('\xff'));
  EXPECT_TRUE(tokens.try_return('\0'));
  char all[8];
  ASSERT_EQ(read(make.get(), all, sizeof(all)), 4);
  EXPECT_EQ(std::string_view(all, 4), "+a\xff\0"sv);
}

TEST(TokenSourceFifo, NeitherLostNorReadableWhenItsOtherUsersHaveGone) {
  const TempDir folder;
  const std::string path = folder / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  UniqueFd make(open(path.c_str(), O_RDWR | O_CLOEXEC));
  TokenSource tokens = must(open_fifo(path));
  make.reset();
  EXPECT_EQ(ready(tokens.read_fd(), POLLIN), 0);
  EXPECT_EQ(tokens.try_take(), std::nullopt);
  EXPECT_FALSE(tokens.lost());
}

TEST(TokenSourceFifo, ReadableWhenATokenIsThere) {
  const Server server = must(Server::create(2));
  TokenSource tokens = must(open_tokens(server.makeflags()));
  EXPECT_EQ(ready(tokens.read_fd(), POLLIN), POLLIN);
  EXPECT_EQ(ready(tokens.write_fd(), POLLOUT), POLLOUT);
  ASSERT_TRUE(tokens.try_take());
  EXPECT_EQ(ready(tokens.read_fd(), POLLIN), 0);
  ASSERT_TRUE(tokens.try_return('+'));
}

TEST(TokenSourceFifo, ItsDescriptorsAreNotInherited) {
  const Server server = must(Server::create(2));
  const TokenSource tokens = must(open_tokens(server.makeflags()));
  EXPECT_EQ(fcntl(tokens.read_fd(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(tokens.write_fd(), F_GETFD), FD_CLOEXEC);
}

TEST(TokenSourceFifo, Missing) {
  const TempDir folder;
  const auto why = must_fail(open_fifo(folder / "none"));
  EXPECT_EQ(why.reason, Reason::kFifoMissing);
  EXPECT_THAT(why.detail, testing::HasSubstr(folder / "none"));
  test::write_file(folder / "file", "");
  EXPECT_EQ(must_fail(open_fifo(folder / "file/fifo")).reason, Reason::kFifoMissing);
}

TEST(TokenSourceFifo, NotAFifo) {
  const TempDir folder;
  test::write_file(folder / "file", "++");
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder / "socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  for (const std::string& path : {folder / "file", folder.path(), folder / "socket"}) {
    EXPECT_EQ(must_fail(open_fifo(path)).reason, Reason::kNotAFifo) << path;
  }
  EXPECT_EQ(test::read_file(folder / "file"), "++");
}

TEST(TokenSourceFifo, DeviceThatCannotBePolled) {
  EXPECT_EQ(must_fail(open_fifo("/dev/zero")).reason, Reason::kNotAFifo);
  EXPECT_EQ(must_fail(open_fifo("/dev/null")).reason, Reason::kNotAFifo);
}

TEST(TokenSourceFifo, NotPermitted) {
  const TempDir folder;
  const std::string path = folder / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0000), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  test::Child child([&path] {
    test::drop_root();
    return static_cast<int>(must_fail(open_fifo(path)).reason);
  });
  EXPECT_EQ(child.wait_exit(), static_cast<int>(Reason::kNotPermitted));
}

TEST(TokenSourceDevice, TokensAreTakenAndReturnedAndTheLossIsSeen) {
  auto [make, path] = test::make_terminal();
  TokenSource tokens = must(open_fifo(path));
  EXPECT_EQ(tokens.try_take(), std::nullopt);
  EXPECT_FALSE(tokens.lost());
  put(make, "a");
  ASSERT_TRUE(test::wait_readable(tokens.read_fd()));
  EXPECT_EQ(tokens.try_take(), 'a');
  EXPECT_TRUE(tokens.try_return('a'));
  ASSERT_TRUE(test::wait_readable(make.get()));
  char token = 0;
  ASSERT_EQ(read(make.get(), &token, 1), 1);
  EXPECT_EQ(token, 'a');
  make.reset();
  EXPECT_EQ(tokens.try_take(), std::nullopt);
  EXPECT_TRUE(tokens.lost());
  EXPECT_TRUE(tokens.try_return('a')) << "there is nobody to wait for";
}

TEST(TokenSourcePipe, TheSameByteIsTakenAndReturned) {
  const FdPair pipe = make_pipe();
  put(pipe.second, "ab");
  TokenSource tokens = must(open_pipe(pipe));
  EXPECT_EQ(tokens.tokens_available(), 2);
  EXPECT_EQ(tokens.try_take(), 'a');
  EXPECT_EQ(tokens.try_take(), 'b');
  EXPECT_EQ(tokens.try_take(), std::nullopt);
  EXPECT_EQ(tokens.tokens_available(), 0);
  EXPECT_TRUE(tokens.try_return('a'));
  char token = 0;
  ASSERT_EQ(read(pipe.first.get(), &token, 1), 1);
  EXPECT_EQ(token, 'a');
  EXPECT_FALSE(tokens.lost());
}

TEST(TokenSourcePipe, TheSharedDescriptionsStayAsTheyAre) {
  for (const int flags : {0, O_NONBLOCK}) {
    const FdPair pipe = make_pipe();
    for (const auto* end : {&pipe.first, &pipe.second}) {
      ASSERT_EQ(fcntl(end->get(), F_SETFL, flags), 0);
    }
    TokenSource tokens = must(open_pipe(pipe));
    EXPECT_EQ(tokens.try_take(), std::nullopt) << "does not block";
    EXPECT_EQ(fcntl(pipe.first.get(), F_GETFL) & O_NONBLOCK, flags);
    EXPECT_EQ(fcntl(pipe.second.get(), F_GETFL) & O_NONBLOCK, flags);
    EXPECT_NE(fcntl(tokens.read_fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(tokens.write_fd(), F_GETFL) & O_NONBLOCK, 0);
  }
}

TEST(TokenSourcePipe, StaysUsableWhenTheInheritedNumbersAreClosed) {
  FdPair pipe = make_pipe();
  put(pipe.second, "a");
  TokenSource tokens = must(open_pipe(pipe));
  pipe = FdPair();
  EXPECT_EQ(tokens.try_take(), 'a');
  EXPECT_TRUE(tokens.try_return('a'));
  EXPECT_EQ(tokens.tokens_available(), 1);
}

TEST(TokenSourcePipe, AFullPipeTakesTheTokenLater) {
  const FdPair pipe = make_pipe();
  const int size = fcntl(pipe.second.get(), F_SETPIPE_SZ, 4096);
  ASSERT_GT(size, 0);
  put(pipe.second, std::string(static_cast<std::size_t>(size), '+'));
  TokenSource tokens = must(open_pipe(pipe));
  EXPECT_FALSE(tokens.try_return('a'));
  EXPECT_FALSE(tokens.lost());
  // A pipe can be written again only when a whole page of it is free.
  for (int i = 0; i < size; ++i) ASSERT_EQ(tokens.try_take(), '+');
  ASSERT_EQ(ready(tokens.write_fd(), POLLOUT), POLLOUT);
  EXPECT_TRUE(tokens.try_return('a'));
  EXPECT_EQ(tokens.try_take(), 'a');
}

TEST(TokenSourcePipe, ClosedDescriptors) {
  int read_fd = -1;
  int write_fd = -1;
  {
    const FdPair pipe = make_pipe();
    read_fd = pipe.first.get();
    write_fd = pipe.second.get();
  }
  EXPECT_EQ(must_fail(open_pipe(read_fd, write_fd)).reason, Reason::kBadDescriptor);
}

TEST(TokenSourcePipe, OneClosedDescriptor) {
  FdPair pipe = make_pipe();
  const int write_fd = pipe.second.get();
  pipe.second.reset();
  EXPECT_EQ(must_fail(open_pipe(pipe.first.get(), write_fd)).reason, Reason::kBadDescriptor);
}

TEST(TokenSourcePipe, TwoDifferentPipes) {
  const FdPair one = make_pipe();
  const FdPair other = make_pipe();
  EXPECT_EQ(must_fail(open_pipe(one.first.get(), other.second.get())).reason,
            Reason::kBadDescriptor);
}

TEST(TokenSourcePipe, SwappedEnds) {
  const FdPair pipe = make_pipe();
  EXPECT_EQ(must_fail(open_pipe(pipe.second.get(), pipe.first.get())).reason,
            Reason::kBadDescriptor);
}

TEST(TokenSourcePipe, OneEndTwice) {
  const FdPair pipe = make_pipe();
  EXPECT_EQ(must_fail(open_pipe(pipe.first.get(), pipe.first.get())).reason,
            Reason::kBadDescriptor);
  EXPECT_EQ(must_fail(open_pipe(pipe.second.get(), pipe.second.get())).reason,
            Reason::kBadDescriptor);
}

TEST(TokenSourcePipe, OtherFilesAtTheNumbers) {
  const TempDir folder;
  test::write_file(folder / "log", "+++");
  const UniqueFd file(open((folder / "log").c_str(), O_RDWR | O_CLOEXEC));
  const FdPair sockets = test::make_socketpair();
  EXPECT_EQ(must_fail(open_pipe(file.get(), file.get())).reason, Reason::kBadDescriptor);
  EXPECT_EQ(must_fail(open_pipe(sockets)).reason, Reason::kBadDescriptor);
  EXPECT_EQ(test::read_file(folder / "log"), "+++");
}

TEST(TokenSourcePipe, WithheldWithoutItsNumbers) {
  const auto why = must_fail(open_tokens("-j3 --jobserver-auth=-2,-2"));
  EXPECT_EQ(why.reason, Reason::kWithheld);
  EXPECT_THAT(std::string(why.cure()), testing::HasSubstr("+"));
}

}  // namespace
}  // namespace jobslots
