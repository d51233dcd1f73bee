/// The real `jobslots broker`, spoken to as the pytest plugin does.

#include "broker/broker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <sstream>

#include "broker/protocol.h"
#include "jobslots/server.h"
#include "support.h"

namespace jobslots {
namespace {

using test::can_hear;
using test::Child;
using test::eventually;
using test::FdPair;
using test::hear;
using test::must;
using test::RemoteProcess;
using test::say;
using test::TempDir;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

const std::string kHello = "hello " + std::to_string(kProtocolVersion);
const std::string kWelcome = "welcome " + std::to_string(kProtocolVersion);

/// What the child that becomes the broker does first, e.g. open more descriptors or drop rights.
using Prepare = std::function<void()>;

/// Becomes the broker in a child process, with the given socket as its descriptor 0.
int exec_broker(const UniqueFd& socket, std::map<std::string, std::string> environment,
                const Prepare& prepare) {
  dup2(socket.get(), STDIN_FILENO);
  // By descriptor, as another user may not reach the build folder.
  const UniqueFd program(open(JOBSLOTS_EXECUTABLE, O_RDONLY));
  fcntl(program.get(), F_SETFD, FD_CLOEXEC);
  if (prepare) prepare();
  return test::exec({"/proc/self/fd/" + std::to_string(program.get()), "broker"}, environment);
}

/// A session: a make with its job slots, a controller process, a broker, and workers.
class Session {
 public:
  explicit Session(unsigned job_slots, const Prepare& prepare = nullptr)
      : server_(must(Server::create(job_slots))),
        sockets_(controller_.make_socketpair()),
        broker_([this, &prepare] { return exec_broker(sockets_.second, environment(), prepare); }) {
    sockets_.second.reset();
    say(controller(), kHello + " controller");
    const std::string welcome = hear(controller());
    const std::string beginning = kWelcome + " " + std::to_string(job_slots) + " ";
    EXPECT_THAT(welcome, StartsWith(beginning));
    if (welcome.starts_with(beginning)) path_ = welcome.substr(beginning.size());
  }

  UniqueFd& controller() { return sockets_.first; }
  RemoteProcess& controller_process() { return controller_; }
  Child& broker() { return broker_; }
  const std::string& path() const { return path_; }
  int tokens_available() const { return server_.tokens_available(); }
  bool eventually_available(int tokens) const {
    return eventually([=, this] { return tokens_available() == tokens; });
  }
  bool left_nothing() const { return tmpdir_.empty(); }
  std::string makeflags() const { return server_.makeflags(); }

  /// Asks for workers to be started.
  void start(const std::vector<std::string>& names) {
    for (const std::string& name : names) say(controller(), "start " + name);
  }
  void cancel(const std::string& name) { say(controller(), "cancel " + name); }
  /// Those that have begun since the last time.
  std::vector<std::string> sync() {
    say(controller(), "sync");
    std::vector<std::string> begun;
    for (std::string message = hear(controller()); message != "synced";
         message = hear(controller())) {
      if (!message.starts_with("begin ")) throw std::runtime_error("\"" + message + "\"");
      begun.push_back(message.substr(message.find(' ') + 1));
    }
    return begun;
  }

  /// The orderly end: the broker ends, every token is back, no folder is left.
  void expect_end(int tokens) {
    say(controller(), "bye");
    EXPECT_EQ(broker_.wait_exit(), 0);
    EXPECT_EQ(tokens_available(), tokens);
    EXPECT_TRUE(left_nothing());
  }

 private:
  std::map<std::string, std::string> environment() const {
    return {{"MAKEFLAGS", makeflags()}, {"TMPDIR", tmpdir_.path()}};
  }

  const TempDir tmpdir_;
  const Server server_;
  RemoteProcess controller_;
  FdPair sockets_;  ///< The controller's end first.
  Child broker_;
  std::string path_;
};

/// A worker process, connected to the session's broker.
class Worker {
 public:
  explicit Worker(const Session& session) : session_(session) { connect(); }

  void connect() { socket_ = process_.connect(session_.path()); }
  void greet(const std::string& name = "gw0") {
    ASSERT_TRUE(tell(kHello + " worker " + name));
    ASSERT_EQ(answer(), kWelcome);
  }
  bool tell(std::string_view message) { return say(socket_, message); }
  std::string answer() { return hear(socket_); }
  void expect_granted() {
    tell("want");
    EXPECT_EQ(answer(), "grant");
  }
  /// Something is refused, and the connection is closed.
  void expect_refused() {
    EXPECT_THAT(answer(), StartsWith("refused "));
    EXPECT_EQ(answer(), "");
  }
  bool has_answer() const { return can_hear(socket_); }
  void close() { socket_.reset(); }
  void kill() { process_.process().kill_and_wait(); }
  Child& process() { return process_.process(); }

 private:
  const Session& session_;
  RemoteProcess process_;
  UniqueFd socket_;
};

/// A worker that has said hello.
struct GreetedWorker : Worker {
  explicit GreetedWorker(const Session& session, const std::string& name = "gw0")
      : Worker(session) {
    greet(name);
  }
};

/// Another client of make, which takes and returns tokens.
class Neighbour {
 public:
  explicit Neighbour(const Session& session)
      : tokens_(must(test::open_tokens(session.makeflags()))) {}
  void take() {
    const auto token = tokens_.try_take();
    if (!token) throw std::runtime_error("no token is free");
    held_.push_back(*token);
  }
  void give_back() {
    EXPECT_TRUE(tokens_.try_return(held_.front()));
    held_.pop_front();
  }

 private:
  TokenSource tokens_;
  std::deque<char> held_;
};

/// The value of a line of /proc/PID/status or limits, which begins with the name.
std::string proc_value(const Child& process, const std::string& file, const std::string& name) {
  std::istringstream text(test::read_file("/proc/" + std::to_string(process.pid()) + "/" + file));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(name)) return line.substr(name.size());
  }
  throw std::runtime_error("no " + name + " in " + file);
}

/// Whether the process comes into the state, a letter of ps(1).
bool comes_into_state(const Child& process, char state) {
  return eventually([&process, state] {
    return proc_value(process, "status", "State:").find(state) != std::string::npos;
  });
}

/// Whether the process comes to wait for an event. One that is woken again and again by the same
/// event never does.
bool falls_asleep(const Child& process) { return comes_into_state(process, 'S'); }

/// Stops the process until SIGCONT. A signal alone could be overtaken by later ones.
void stop(const Child& process) {
  process.signal(SIGSTOP);
  EXPECT_TRUE(comes_into_state(process, 'T'));
}

/// How often the process has fallen asleep in its life.
long sleeps(const Child& process) {
  return std::stol(proc_value(process, "status", "voluntary_ctxt_switches:"));
}

/// Everything said to the broker before this has been dealt with afterwards: it serves in order.
void wait_until_served(const Session& session) { const GreetedWorker another(session); }

TEST(Broker, WelcomesTheControllerWithTheSlotsAndThePath) {
  Session session(3);
  struct stat status {};
  ASSERT_EQ(stat(session.path().c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  session.expect_end(2);
}

TEST(Broker, TwoWorkersHaveTwoSlots) {
  Session session(2);
  {
    GreetedWorker one(session);
    GreetedWorker other(session);
    one.expect_granted();
    EXPECT_EQ(session.tokens_available(), 1) << "the implicit slot goes first";
    other.expect_granted();
    EXPECT_EQ(session.tokens_available(), 0);
    one.tell("done");
    other.tell("done");
    EXPECT_TRUE(session.eventually_available(1));
  }
  session.expect_end(1);
}

TEST(Broker, TheThirdWorkerWaitsForOneOfTwoSlots) {
  Session session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.expect_granted();
    three.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(three.has_answer());
    two.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end(1);
}

TEST(Broker, AWorkerWaitsForATokenThatMakeHasGivenToOthers) {
  Session session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(two.has_answer());
    one.tell("done");
    EXPECT_EQ(two.answer(), "grant");
  }
  session.expect_end(0);
}

TEST(Broker, ManyTurns) {
  Session session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    for (Worker* worker : {&one, &two, &three}) worker->tell("want");
    for (int i = 0; i < 300; ++i) {
      for (Worker* worker : {&one, &two, &three}) {
        ASSERT_EQ(worker->answer(), "grant");
        worker->tell("done");
        worker->tell("want");
      }
    }
    EXPECT_LE(session.tokens_available(), 1);
  }
  session.expect_end(1);
}

TEST(Broker, WorkersThatEndAreForgotten) {
  Session session(2);
  for (int i = 0; i < 20; ++i) {
    GreetedWorker worker(session);
    worker.expect_granted();
  }
  session.expect_end(1);
}

TEST(BrokerAndDeath, AWorkerKilledWhileItHolds) {
  Session session(2);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.expect_granted();
    three.tell("want");
    two.kill();  // The test keeps its socket, as a child of the worker would.
    EXPECT_EQ(three.answer(), "grant");
    one.kill();
    EXPECT_TRUE(session.eventually_available(1)) << "the third moves onto the implicit slot";
  }
  session.expect_end(1);
}

TEST(BrokerAndDeath, AWorkerKilledWhileItWaits) {
  Session session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    three.tell("want");
    two.kill();
    wait_until_served(session);
    one.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end(0);
}

TEST(BrokerAndDeath, AllWorkersKilledAfterTheControllerSaidBye) {
  Session session(3);
  GreetedWorker one(session);
  GreetedWorker two(session);
  GreetedWorker three(session);
  for (Worker* worker : {&one, &two, &three}) worker->expect_granted();
  EXPECT_EQ(session.tokens_available(), 0);
  say(session.controller(), "bye");
  for (Worker* worker : {&one, &two, &three}) worker->kill();
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 2);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerAndDeath, TheControllerIsKilled) {
  Session session(3);
  GreetedWorker holds_implicit(session);
  GreetedWorker holds_token(session);
  GreetedWorker idle(session);
  holds_implicit.expect_granted();
  holds_token.expect_granted();
  session.controller_process().process().kill_and_wait();
  session.controller().reset();
  for (Worker* worker : {&holds_implicit, &holds_token, &idle}) {
    const auto status = worker->process().wait();
    ASSERT_TRUE(status && WIFSIGNALED(*status));
    EXPECT_EQ(WTERMSIG(*status), SIGINT);
  }
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 2);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerAndDeath, TheControllersSocketClosesButItLives) {
  Session session(2);
  session.controller().reset();
  {
    GreetedWorker worker(session);
    worker.expect_granted();
    EXPECT_TRUE(worker.process().running());
  }
  EXPECT_TRUE(session.broker().running());
  session.controller_process().process().kill_and_wait();
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerAndClosedSockets, AWorkerThatLivesKeepsItsSlotAndReleasesItWithItsNextHello) {
  Session session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    one.close();
    wait_until_served(session);
    EXPECT_FALSE(two.has_answer());
    one.connect();
    one.greet();
    EXPECT_EQ(two.answer(), "grant");
    one.tell("want");
    two.tell("done");
    EXPECT_EQ(one.answer(), "grant");
  }
  session.expect_end(0);
}

TEST(BrokerAndClosedSockets, AWorkerThatLosesItsSocketAndThenDiesFreesItsSlot) {
  Session session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    one.expect_granted();
    two.tell("want");
    one.close();
    one.kill();
    EXPECT_EQ(two.answer(), "grant");
  }
  session.expect_end(0);
}

TEST(BrokerAndClosedSockets, AWorkerThatWaitsLosesItsPlace) {
  Session session(1);
  {
    GreetedWorker one(session);
    GreetedWorker two(session);
    GreetedWorker three(session);
    one.expect_granted();
    two.tell("want");
    wait_until_served(session);
    three.tell("want");
    two.close();
    wait_until_served(session);
    one.tell("done");
    EXPECT_EQ(three.answer(), "grant");
  }
  session.expect_end(0);
}

TEST(BrokerAndClosedSockets, AConnectionThatNeverSaysHelloKeepsNothingAlive) {
  Session session(2);
  const Worker silent(session);
  wait_until_served(session);
  session.expect_end(1);
}

TEST(BrokerStarts, AsManyAsThereAreSlotsAndThenSynced) {
  Session session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(session.tokens_available(), 0) << "their slots are taken before they are there";
  EXPECT_THAT(session.sync(), IsEmpty());
  session.expect_end(2);
}

TEST(BrokerStarts, OneAtLeast) {
  Session session(1);
  EXPECT_THAT(session.sync(), IsEmpty());
  session.start({"a", "b"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  session.expect_end(0);
}

TEST(BrokerStarts, LaterWhenANeighbourReturnsAToken) {
  Session session(3);
  Neighbour neighbour(session);
  neighbour.take();
  neighbour.take();
  session.start({"a", "b", "c"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  neighbour.give_back();
  EXPECT_EQ(hear(session.controller()), "begin b");
  neighbour.give_back();
  EXPECT_EQ(hear(session.controller()), "begin c");
  EXPECT_EQ(session.tokens_available(), 0);
  session.expect_end(2);
}

TEST(BrokerStarts, LaterWhenAWorkerEnds) {
  Session session(1);
  session.start({"a", "b", "c"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  {
    GreetedWorker a(session, "a");
    a.expect_granted();
    a.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
    GreetedWorker b(session, "b");
    b.kill();
    EXPECT_EQ(hear(session.controller()), "begin c") << "also one that has not asked yet";
  }
  session.expect_end(0);
}

TEST(BrokerStarts, SyncedComesAfterTheStartsForWhatHasJustComeFree) {
  Session session(1);
  session.start({"a", "b"});
  EXPECT_THAT(session.sync(), ElementsAre("a"));
  {
    GreetedWorker a(session, "a");
    stop(session.broker());
    a.kill();
    say(session.controller(), "sync");
    session.broker().signal(SIGCONT);
    EXPECT_EQ(hear(session.controller()), "begin b");
    EXPECT_EQ(hear(session.controller()), "synced");
  }
  session.expect_end(0);
}

TEST(BrokerStarts, NotOnTheSlotThatAWorkerBetweenTwoTestsWillWant) {
  Session session(2);
  {
    GreetedWorker idle(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(session.tokens_available(), 1) << "it lies there for the worker";
      idle.expect_granted();
      EXPECT_THAT(session.sync(), IsEmpty());
      idle.tell("done");
      EXPECT_TRUE(session.eventually_available(1));
      EXPECT_THAT(session.sync(), IsEmpty());
    }
    idle.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
  }
  session.expect_end(1);
}

TEST(BrokerStarts, WhenTokensComeToOthersThatHaveToStay) {
  Session session(4);
  Neighbour neighbour(session);
  for (int i = 0; i < 3; ++i) neighbour.take();
  {
    const GreetedWorker one(session);
    const GreetedWorker other(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), IsEmpty()) << "a free slot, but two workers are idle";
    neighbour.give_back();
    EXPECT_THAT(session.sync(), IsEmpty());
    neighbour.give_back();
    EXPECT_EQ(hear(session.controller()), "begin a");
    EXPECT_EQ(session.tokens_available(), 2) << "it starts on the implicit slot";
    neighbour.give_back();
    EXPECT_EQ(hear(session.controller()), "begin b");
    EXPECT_EQ(session.tokens_available(), 2);
  }
  session.expect_end(3);
}

TEST(BrokerStarts, NoTimeIsSpentOnTokensThatHaveToStay) {
  Session session(3);
  Neighbour neighbour(session);
  {
    GreetedWorker one(session);
    const GreetedWorker other(session);
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    EXPECT_EQ(session.tokens_available(), 2) << "for the idle workers";
    EXPECT_TRUE(falls_asleep(session.broker()));
    const long before = sleeps(session.broker());
    // A while, in which something else happens.
    for (int i = 0; i < 100; ++i) EXPECT_EQ(Child([] { return 0; }).wait_exit(), 0);
    EXPECT_LE(sleeps(session.broker()), before + 1) << "the sleep that it was in is counted late";
    one.kill();
    EXPECT_EQ(hear(session.controller()), "begin b");
  }
  session.expect_end(2);
}

TEST(BrokerStarts, TheFirstWantOfABegunWorkerIsGrantedAtOnce) {
  Session session(2);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker holds(session);
    GreetedWorker waits(session);
    holds.expect_granted();
    waits.tell("want");
    GreetedWorker a(session, "a");
    a.expect_granted();
    EXPECT_FALSE(waits.has_answer());
    a.tell("done");
    EXPECT_EQ(waits.answer(), "grant");
    a.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(a.has_answer()) << "its second want is as any other's";
    holds.tell("done");
    EXPECT_EQ(a.answer(), "grant");
  }
  session.expect_end(1);
}

TEST(BrokerStarts, AWorkerThatComesBeforeItHasBegunWaitsLikeOthers) {
  Session session(1);
  {
    session.start({"a", "b"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker b(session, "b");
    b.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(b.has_answer());
    session.cancel("a");
    EXPECT_EQ(b.answer(), "grant");
    EXPECT_THAT(session.sync(), IsEmpty()) << "it is there, and is not begun any more";
  }
  session.expect_end(0);
}

TEST(BrokerStarts, CancelGivesTheSlotBack) {
  Session session(3);
  session.start({"a", "b", "c", "d", "e", "f"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  session.cancel("d");
  session.cancel("nobody");
  EXPECT_THAT(session.sync(), IsEmpty());
  session.cancel("b");
  EXPECT_EQ(hear(session.controller()), "begin e");
  session.cancel("a");
  EXPECT_EQ(hear(session.controller()), "begin f");
  for (const char* name : {"c", "e", "f"}) session.cancel(name);
  EXPECT_TRUE(session.eventually_available(2));
  {
    GreetedWorker worker(session);
    worker.expect_granted();
    EXPECT_EQ(session.tokens_available(), 2) << "the implicit slot is free too";
  }
  session.expect_end(2);
}

TEST(BrokerStarts, CancelComesTooLateForAWorkerThatIsThere) {
  Session session(1);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker a(session, "a");
    session.cancel("a");
    EXPECT_THAT(session.sync(), IsEmpty());
    GreetedWorker other(session);
    other.tell("want");
    a.expect_granted();
    EXPECT_FALSE(other.has_answer());
  }
  session.expect_end(0);
}

TEST(BrokerStarts, ANameThatIsGivenAgainTakesTheEarlierStartBack) {
  Session session(2);
  session.start({"a", "b", "a"});
  std::vector<std::string> begun = session.sync();
  EXPECT_EQ(begun.back(), "a");
  EXPECT_EQ(session.tokens_available(), 0) << "two have begun, not three";
  session.cancel("b");
  EXPECT_TRUE(session.eventually_available(1));
  session.expect_end(1);
}

TEST(BrokerStarts, MoreThanTheControllersSocketHoldsMessages) {
  constexpr unsigned kMany = 1000;
  Session session(kMany);
  std::vector<std::string> names;
  for (unsigned i = 0; i < kMany + 5; ++i) names.push_back("gw" + std::to_string(i));
  session.start(names);
  names.resize(kMany);
  EXPECT_EQ(session.sync(), names);
  EXPECT_EQ(session.tokens_available(), 0);
  session.cancel("gw7");
  EXPECT_EQ(hear(session.controller()), "begin gw1000");
  EXPECT_TRUE(falls_asleep(session.broker()));
  session.expect_end(kMany - 1);
}

TEST(BrokerStarts, ByeEndsThemAll) {
  Session session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  {
    GreetedWorker a(session, "a");
    GreetedWorker b(session, "b");
    a.expect_granted();
    say(session.controller(), "bye");
    EXPECT_TRUE(session.eventually_available(1)) << "that of c";
    EXPECT_TRUE(session.broker().running());
    a.kill();
    EXPECT_TRUE(session.eventually_available(2)) << "b moves onto the implicit slot";
  }
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_FALSE(can_hear(session.controller()) && hear(session.controller()) != "");
  EXPECT_EQ(session.tokens_available(), 2);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerStarts, AfterByeNoneIsAccepted) {
  Session session(2);
  {
    GreetedWorker worker(session);
    worker.expect_granted();
    say(session.controller(), "bye");
    session.start({"a", "b", "c"});
    EXPECT_THAT(session.sync(), IsEmpty());
  }
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 1);
}

TEST(BrokerStarts, TheControllerIsKilled) {
  Session session(3);
  session.start({"a", "b", "c", "d", "e"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b", "c"));
  GreetedWorker a(session, "a");
  GreetedWorker b(session, "b");
  b.expect_granted();
  session.controller_process().process().kill_and_wait();
  session.controller().reset();
  for (Worker* worker : {&a, &b}) EXPECT_TRUE(worker->process().wait());
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 2);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerStarts, TheControllerIsKilledBeforeTheBrokerHasReadThem) {
  Session session(3);
  GreetedWorker worker(session);
  stop(worker.process());  // So that it outlives the SIGINT that it will get.
  stop(session.broker());
  session.start({"a", "b", "c", "d"});
  session.controller_process().process().kill_and_wait();
  session.controller().reset();
  session.broker().signal(SIGCONT);
  EXPECT_TRUE(falls_asleep(session.broker()));
  worker.process().signal(SIGCONT);
  EXPECT_TRUE(worker.process().wait());
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 2);
  EXPECT_TRUE(session.left_nothing());
}

TEST(BrokerStarts, AControllerThatCannotHearItTakesNoMoreSlots) {
  Session session(2);
  session.start({"a", "b", "c", "d"});
  EXPECT_THAT(session.sync(), ElementsAre("a", "b"));
  session.controller().reset();
  {
    GreetedWorker a(session, "a");
    GreetedWorker b(session, "b");
    for (Worker* worker : {&a, &b}) worker->expect_granted();
    for (Worker* worker : {&a, &b}) worker->kill();
    GreetedWorker one(session);
    GreetedWorker other(session);
    for (Worker* worker : {&one, &other}) worker->expect_granted();
  }
  session.controller_process().process().kill_and_wait();
  EXPECT_EQ(session.broker().wait_exit(), 0);
  EXPECT_EQ(session.tokens_available(), 1);
}

TEST(BrokerStarts, AWorkerThatLosesItsSocketBeforeItsFirstWantKeepsItsSlot) {
  Session session(1);
  {
    session.start({"a"});
    EXPECT_THAT(session.sync(), ElementsAre("a"));
    GreetedWorker a(session, "a");
    GreetedWorker other(session);
    a.close();
    other.tell("want");
    wait_until_served(session);
    EXPECT_FALSE(other.has_answer()) << "the process lives, and works";
    a.connect();
    a.greet("a");
    EXPECT_EQ(other.answer(), "grant");
  }
  session.expect_end(0);
}

/// Runs what a client must not do, and checks that another client is served before and after.
void expect_undisturbed(const std::function<void(Session&)>& misbehave) {
  Session session(2);
  {
    GreetedWorker good(session);
    good.expect_granted();
    misbehave(session);
    good.tell("done");
    good.expect_granted();
    good.tell("done");
  }
  EXPECT_TRUE(session.broker().running());
  session.expect_end(1);
}

TEST(BrokerAndBadClients, Garbage) {
  for (const std::string& garbage :
       {std::string("x"), std::string("\0", 1), std::string("want "), std::string("WANT"),
        std::string("\xff\xfe\n"), std::string("hello"), std::string("hello 999 worker gw0"),
        std::string("hello x worker gw0"), kHello + " controller", kHello, std::string("bye"),
        std::string("grant")}) {
    SCOPED_TRACE(garbage);
    expect_undisturbed([&garbage](Session& session) {
      Worker bad(session);
      bad.tell(garbage);
      bad.expect_refused();
    });
  }
}

TEST(BrokerAndBadClients, AnEmptyPacket) {
  expect_undisturbed([](Session& session) {
    Worker bad(session);
    bad.tell("");
    EXPECT_EQ(bad.answer(), "");
  });
}

TEST(BrokerAndBadClients, OverlongPackets) {
  expect_undisturbed([](Session& session) {
    for (const std::size_t size : {kMessageLimit + 1, std::size_t{100'000}}) {
      Worker bad(session);
      bad.tell(kHello + " worker " + std::string(size, 'x'));
      bad.expect_refused();
    }
  });
}

TEST(BrokerAndBadClients, ANameAsLongAsThePacketAllows) {
  expect_undisturbed([](Session& session) {
    Worker worker(session);
    std::string hello = kHello + " worker ";
    worker.tell(hello + std::string(kMessageLimit - hello.size(), 'x'));
    EXPECT_EQ(worker.answer(), kWelcome);
  });
}

TEST(BrokerAndBadClients, WantAndDoneBeforeHello) {
  expect_undisturbed([](Session& session) {
    for (const char* message : {"want", "done"}) {
      Worker bad(session);
      bad.tell(message);
      EXPECT_EQ(bad.answer(), "refused say hello first");
      EXPECT_EQ(bad.answer(), "");
    }
  });
}

TEST(BrokerAndBadClients, HelloTwice) {
  expect_undisturbed([](Session& session) {
    GreetedWorker bad(session);
    bad.tell(kHello + " worker gw0");
    bad.expect_refused();
  });
}

TEST(BrokerAndBadClients, DoneWithoutASlot) {
  expect_undisturbed([](Session& session) {
    GreetedWorker bad(session);
    bad.tell("done");
    bad.expect_refused();
  });
}

TEST(BrokerAndBadClients, AThousandWants) {
  expect_undisturbed([](Session& session) {
    GreetedWorker bad(session);
    bad.tell("want");
    EXPECT_EQ(bad.answer(), "grant");
    // The queue of a socket is short: the broker closes the connection while they are being sent.
    for (int i = 0; i < 1000 && bad.tell("want"); ++i) continue;
    EXPECT_THAT(bad.answer(), MatchesRegex("refused .*|"));
    wait_until_served(session);
    EXPECT_EQ(session.tokens_available(), 0) << "it may still work on the slot that it has";
    bad.kill();
    EXPECT_TRUE(session.eventually_available(1));
  });
}

TEST(BrokerAndBadClients, ConnectionsThatComeAndGo) {
  expect_undisturbed([](Session& session) {
    RemoteProcess process;
    for (int i = 0; i < 200; ++i) {
      const UniqueFd socket = process.connect(session.path());
      if (i % 2 == 0) say(socket, kHello + " worker gw0");
      if (i % 4 == 0) say(socket, "want");
    }
  });
}

TEST(BrokerAsAProcess, IgnoresWhatATerminalSends) {
  Session session(2);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP}) {
    session.broker().signal(number);
  }
  {
    GreetedWorker worker(session);
    worker.expect_granted();
  }
  session.expect_end(1);
}

TEST(BrokerAsAProcess, IsInASessionOfItsOwn) {
  Session session(2);
  EXPECT_EQ(getsid(session.broker().pid()), session.broker().pid());
  session.expect_end(1);
}

TEST(BrokerAsAProcess, KeepsNoInheritedDescriptorOpen) {
  FdPair pipe = test::make_pipe();
  Session session(2, [&pipe] { fcntl(pipe.second.get(), F_SETFD, 0); });
  pipe.second.reset();
  EXPECT_TRUE(test::wait_readable(pipe.first.get())) << "the end of the pipe's file";
  char byte = 0;
  EXPECT_EQ(read(pipe.first.get(), &byte, 1), 0);
  EXPECT_TRUE(session.broker().running());
  session.expect_end(1);
}

TEST(BrokerAsAProcess, KeepsNoFolderBusy) {
  Session session(2);
  std::string folder(16, '\0');
  const std::string link = "/proc/" + std::to_string(session.broker().pid()) + "/cwd";
  folder.resize(static_cast<std::size_t>(readlink(link.c_str(), folder.data(), folder.size())));
  EXPECT_EQ(folder, "/");
  session.expect_end(1);
}

/// Limits the number of descriptors that the broker may have.
Prepare limit_descriptors(rlim_t soft, std::optional<rlim_t> hard = std::nullopt) {
  return [=] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = soft;
    if (hard) limit.rlim_max = *hard;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
  };
}

TEST(BrokerWithFewDescriptors, AllowsItselfAsManyAsItMay) {
  Session session(2, limit_descriptors(16));
  std::istringstream limits(proc_value(session.broker(), "limits", "Max open files"));
  std::string soft;
  std::string hard;
  limits >> soft >> hard;
  EXPECT_EQ(soft, hard);
  {
    std::deque<GreetedWorker> workers;
    for (int i = 0; i < 20; ++i) workers.emplace_back(session);
  }
  session.expect_end(1);
}

TEST(BrokerWithFewDescriptors, WorkersBeyondThemComeInWhenOthersLeave) {
  Session session(2, limit_descriptors(14, 14));
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
  session.expect_end(1);
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
    EXPECT_EQ(broker.wait_exit(), EXIT_FAILURE) << hello;
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
  EXPECT_EQ(broker.wait_exit(), EXIT_FAILURE);
}

}  // namespace
}  // namespace jobslots
