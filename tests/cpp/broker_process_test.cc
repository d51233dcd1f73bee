/// The real `jobslots broker` as a process: what it inherits, keeps, and says where it cannot
/// serve.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <optional>
#include <sstream>

#include "broker_support.h"

namespace jobslots {
namespace {

using test::can_hear;
using test::Child;
using test::exec_broker;
using test::falls_asleep;
using test::FdPair;
using test::GreetedWorker;
using test::hear;
using test::kHello;
using test::kWelcome;
using test::Prepare;
using test::proc_value;
using test::say;
using test::TempDir;
using test::TestSession;
using test::Worker;
using testing::StartsWith;

TEST(BrokerAsAProcess, IgnoresWhatATerminalSends) {
  TestSession session(2);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2,
                           SIGALRM, SIGXCPU, SIGVTALRM, SIGRTMIN, SIGRTMAX}) {
    session.broker().signal(number);
  }
  {
    GreetedWorker worker(session);
    worker.expect_granted();
  }
  session.expect_end();
}

TEST(BrokerAsAProcess, IsInASessionOfItsOwn) {
  TestSession session(2);
  EXPECT_EQ(getsid(session.broker().pid()), session.broker().pid());
  session.expect_end();
}

TEST(BrokerAsAProcess, KeepsNoInheritedDescriptorOpen) {
  FdPair pipe = test::make_pipe();
  TestSession session(2, [&pipe] { fcntl(pipe.second.get(), F_SETFD, 0); });
  pipe.second.reset();
  EXPECT_TRUE(test::wait_readable(pipe.first.get())) << "the end of the pipe's file";
  char byte = 0;
  EXPECT_EQ(read(pipe.first.get(), &byte, 1), 0);
  EXPECT_TRUE(session.broker().running());
  session.expect_end();
}

TEST(BrokerAsAProcess, KeepsNoFolderBusy) {
  TestSession session(2);
  std::string folder(16, '\0');
  const std::string link = "/proc/" + std::to_string(session.broker().pid()) + "/cwd";
  folder.resize(static_cast<std::size_t>(readlink(link.c_str(), folder.data(), folder.size())));
  EXPECT_EQ(folder, "/");
  session.expect_end();
}

/// Limits the number of descriptors that the broker may have.
Prepare limit_descriptors(rlim_t soft, std::optional<rlim_t> hard = std::nullopt) {
  return [=] {
    // Those that this test itself was started with are not to count.
    for (int fd = 3; fd < 1024; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = soft;
    if (hard) limit.rlim_max = *hard;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
  };
}

TEST(BrokerWithFewDescriptors, AllowsItselfAsManyAsItMay) {
  TestSession session(2, limit_descriptors(16));
  std::istringstream limits(proc_value(session.broker(), "limits", "Max open files"));
  std::string soft;
  std::string hard;
  limits >> soft >> hard;
  EXPECT_EQ(soft, hard);
  {
    std::deque<GreetedWorker> workers;
    for (int i = 0; i < 20; ++i) workers.emplace_back(session);
  }
  session.expect_end();
}

TEST(BrokerWithFewDescriptors, WorkersBeyondThemComeInWhenOthersLeave) {
  TestSession session(2, limit_descriptors(14, 14));
  {
    std::deque<Worker> workers;
    for (int i = 0; i < 10; ++i) {
      workers.emplace_back(session);
      ASSERT_TRUE(workers.back().tell(kHello + " worker gw" + std::to_string(i)));
    }
    EXPECT_EQ(workers.front().answer(), kWelcome);
    EXPECT_TRUE(falls_asleep(session.broker())) << "it does not try again and again";
    EXPECT_FALSE(workers.back().has_answer());
    workers.front().expect_granted();
    workers.pop_front();
    for (; !workers.empty(); workers.pop_front()) {
      EXPECT_EQ(workers.front().answer(), kWelcome);
      workers.front().expect_granted();
    }
  }
  session.expect_end();
}

/// With any number of descriptors it serves, or says why not; it waits without using CPU, and ends.
TEST(BrokerWithFewDescriptors, ServesOrSaysWhyNot) {
#ifdef JOBSLOTS_SANITIZED
  GTEST_SKIP() << "the sanitizers need descriptors of their own";
#endif
  int served = 0;
  for (rlim_t most = 4; most <= 14; ++most) {
    SCOPED_TRACE(most);
    const TempDir tmpdir;
    const Server server = test::must(Server::create(2));
    FdPair sockets = test::make_socketpair();
    Child broker([&] {
      return exec_broker(sockets.second,
                         {{"MAKEFLAGS", server.makeflags()}, {"TMPDIR", tmpdir.path()}},
                         limit_descriptors(most, most));
    });
    sockets.second.reset();
    say(sockets.first, kHello + " controller");
    const std::string answer = hear(sockets.first);
    if (answer.starts_with("unavailable ")) {
      EXPECT_EQ(broker.wait_exit(), EXIT_FAILURE);
    } else {
      ASSERT_THAT(answer, StartsWith(kWelcome));
      test::RemoteProcess process;
      const UniqueFd worker = process.connect(answer.substr(kWelcome.size() + 3));
      say(worker, kHello + " worker gw0");
      EXPECT_EQ(hear(worker), kWelcome);
      const UniqueFd another = process.connect(answer.substr(kWelcome.size() + 3));
      EXPECT_TRUE(falls_asleep(broker));
      process.process().kill_and_wait();
      say(sockets.first, "bye");
      EXPECT_EQ(broker.wait_exit(), EXIT_SUCCESS);
      ++served;
    }
    EXPECT_EQ(server.tokens_available(), 1);
    EXPECT_TRUE(tmpdir.empty());
  }
  EXPECT_GT(served, 0);
  EXPECT_LT(served, 11);
}

/// The system fails the broker in the middle of a session.
TEST(BrokerWithoutMemory, ReturnsItsTokensAndEnds) {
#ifdef JOBSLOTS_SANITIZED
  GTEST_SKIP() << "the sanitizers reserve more memory than there is";
#endif
  TestSession session(3);
  GreetedWorker one(session, "gw0");
  GreetedWorker other(session, "gw1");
  for (Worker* worker : {&one, &other}) worker->expect_granted();
  EXPECT_EQ(session.tokens_available(), 1);
  const rlimit little{1 << 20, 1 << 20};
  ASSERT_EQ(prlimit(session.broker().pid(), RLIMIT_AS, &little, nullptr), 0);
  // Each name is kept until its worker comes.
  for (int i = 0; i < 100'000 && session.broker().running(); ++i) {
    say(session.controller(), "start " + std::string(4000, 'x') + std::to_string(i));
  }
  session.expect_ended(EXIT_FAILURE);
}

TEST(BrokerWithAPipe, TheInheritedPipeIsUsedAndLeftAsItWas) {
  const TempDir tmpdir;
  const FdPair pipe = test::make_pipe();
  ASSERT_EQ(write(pipe.second.get(), "a", 1), 1);
  FdPair sockets = test::make_socketpair();
  Child broker([&] {
    const std::string numbers =
        std::to_string(pipe.first.get()) + "," + std::to_string(pipe.second.get());
    return exec_broker(
        sockets.second,
        {{"MAKEFLAGS", "-j2 --jobserver-auth=" + numbers}, {"TMPDIR", tmpdir.path()}}, [&pipe] {
          fcntl(pipe.first.get(), F_SETFD, 0);
          fcntl(pipe.second.get(), F_SETFD, 0);
        });
  });
  sockets.second.reset();
  say(sockets.first, kHello + " controller");
  EXPECT_THAT(hear(sockets.first), StartsWith(kWelcome + " 2 " + tmpdir.path()));
  EXPECT_EQ(fcntl(pipe.first.get(), F_GETFL) & O_NONBLOCK, 0);
  say(sockets.first, "bye");
  EXPECT_EQ(broker.wait_exit(), 0);
  EXPECT_TRUE(can_hear(pipe.first)) << "the token is there";
  EXPECT_TRUE(tmpdir.empty());
}

/// What the broker answers where there is no usable jobserver; it ends by itself.
std::string unavailable(const std::map<std::string, std::string>& environment,
                        const Prepare& prepare = nullptr) {
  FdPair sockets = test::make_socketpair();
  Child broker([&] { return exec_broker(sockets.second, environment, prepare); });
  sockets.second.reset();
  say(sockets.first, kHello + " controller");
  std::string answer = hear(sockets.first);
  EXPECT_EQ(broker.wait_exit(), EXIT_FAILURE);
  const std::string beginning = "unavailable " + std::to_string(kProtocolVersion) + " ";
  EXPECT_THAT(answer, StartsWith(beginning));
  EXPECT_THAT(answer, testing::HasSubstr("; cure: "));
  return answer.substr(std::min(beginning.size(), answer.size()));
}

TEST(BrokerWithoutAJobserver, SaysWhy) {
  EXPECT_THAT(unavailable({}), StartsWith("none "));
  EXPECT_THAT(unavailable({{"MAKEFLAGS", "-j8"}}), StartsWith("none "));
  const auto with = [](const std::string& auth) {
    return unavailable({{"MAKEFLAGS", "-j8 --jobserver-auth=" + auth}});
  };
  EXPECT_THAT(with("nonsense"), StartsWith("not-understood "));
  EXPECT_THAT(with("-2,-2"), StartsWith("withheld "));
  EXPECT_THAT(with("900,901"), StartsWith("bad-descriptor "));
  EXPECT_THAT(with("fifo:/nowhere/fifo"), StartsWith("fifo-missing "));
  EXPECT_THAT(with("fifo:/dev/null"), StartsWith("not-a-fifo "));
  EXPECT_THAT(with("fifo:/"), StartsWith("not-a-fifo "));
}

TEST(BrokerWithoutAJobserver, NotPermitted) {
  const TempDir folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0000), 0);
  EXPECT_THAT(unavailable({{"MAKEFLAGS", "--jobserver-auth=fifo:" + fifo}}, test::drop_root),
              StartsWith("not-permitted "));
}

TEST(BrokerStartedByHand, SaysSoAndEnds) {
  for (const char* hello : {"hello 1 worker gw0", "hello 999 controller", "x"}) {
    FdPair sockets = test::make_socketpair();
    const FdPair output = test::make_pipe();
    Child broker([&] {
      return exec_broker(sockets.second, {},
                         [&output] { dup2(output.second.get(), STDERR_FILENO); });
    });
    sockets.second.reset();
    say(sockets.first, hello);
    EXPECT_EQ(broker.wait_exit(), 2) << hello;
    EXPECT_TRUE(can_hear(output.first)) << hello;
  }
}

TEST(BrokerStartedByHand, AControllerThatEndsBeforeItsHello) {
  FdPair sockets = test::make_socketpair();
  Child broker([&] {
    return exec_broker(sockets.second, {}, [&sockets] {
      const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
      dup2(null.get(), STDERR_FILENO);
      sockets.first.reset();
    });
  });
  sockets.second.reset();
  sockets.first.reset();
  EXPECT_EQ(broker.wait_exit(), 2);
}

}  // namespace
}  // namespace jobslots
