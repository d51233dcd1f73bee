#include "system/descriptors.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "support.h"

namespace jobslots {
namespace {

using test::Child;
using test::FdPair;

void limit_to(rlim_t count) {
  const rlimit limit{count, count};
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(Descriptors, AllAreClosedButThoseThatAreKept) {
  const FdPair pipe = test::make_pipe();
  const FdPair other = test::make_pipe();
  EXPECT_EQ(Child([&] {
              close_all_descriptors_but({STDERR_FILENO, pipe.first.get()});
              return is_open(pipe.first.get()) && is_open(STDERR_FILENO) &&
                             !is_open(pipe.second.get()) && !is_open(other.first.get()) &&
                             !is_open(STDIN_FILENO)
                         ? 0
                         : 1;
            }).wait_exit(),
            0);
}

TEST(Descriptors, AlsoWhereThereIsNoneLeftToListThem) {
  EXPECT_EQ(Child([] {
              limit_to(16);
              int last = -1;
              for (int fd = 0; fd >= 0; fd = dup(STDERR_FILENO)) last = fd;
              close_all_descriptors_but({STDERR_FILENO});
              return last == 15 && !is_open(last) && is_open(STDERR_FILENO) ? 0 : 1;
            }).wait_exit(),
            0);
}

TEST(Descriptors, HowManyMoreCanBeOpen) {
  EXPECT_EQ(Child([] {
              close_all_descriptors_but({0, 1, 2});
              limit_to(6);
              return can_open_descriptors(3) && can_open_descriptors(3) && !can_open_descriptors(4)
                         ? 0
                         : 1;
            }).wait_exit(),
            0);
}

TEST(Descriptors, APacketSocketIsKnown) {
  const FdPair sockets = test::make_socketpair();
  const FdPair pipe = test::make_pipe();
  EXPECT_TRUE(is_packet_socket(sockets.first.get()));
  EXPECT_FALSE(is_packet_socket(pipe.first.get()));
  EXPECT_FALSE(is_packet_socket(-1));
}

}  // namespace
}  // namespace jobslots
