#pragma once

/// A session to test the real `jobslots broker` with: a make and its job slots, the controller's
/// process, workers' processes, and another client of make.

#include <gmock/gmock.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jobslots/server.h"
#include "session/protocol.h"
#include "support.h"

namespace jobslots::test {

inline const std::string kHello = "hello " + std::to_string(kProtocolVersion);
inline const std::string kWelcome = "welcome " + std::to_string(kProtocolVersion);

/// What the child that becomes the broker does first, e.g. open more descriptors or drop rights.
using Prepare = std::function<void()>;

/// Becomes the broker in a child process, with the given socket as its descriptor 0.
int exec_broker(const UniqueFd& socket, std::map<std::string, std::string> environment,
                const Prepare& prepare);

/// A session: a make with its job slots, a controller process, a broker, and workers.
class TestSession {
 public:
  explicit TestSession(unsigned job_slots, const Prepare& prepare = nullptr);

  UniqueFd& controller() { return sockets_.first; }
  /// The controller ends, and its socket closes.
  void kill_controller();
  Child& broker() { return broker_; }
  const std::string& path() const { return path_; }
  int tokens_available() const { return server_.tokens_available(); }
  bool eventually_available(int tokens) const {
    return eventually([=, this] { return tokens_available() == tokens; });
  }
  std::string makeflags() const { return server_.makeflags(); }

  /// Asks for workers to be started.
  void start(const std::vector<std::string>& names) {
    for (const std::string& name : names) say(controller(), "start " + name);
  }
  void cancel(const std::string& name) { say(controller(), "cancel " + name); }
  /// Those that have begun since the last time.
  std::vector<std::string> sync();

  /// The orderly end.
  void expect_end();
  /// The broker ends by itself, every token is back, no folder is left.
  void expect_ended(int status = EXIT_SUCCESS);

 private:
  std::map<std::string, std::string> environment() const {
    return {{"MAKEFLAGS", makeflags()}, {"TMPDIR", tmpdir_.path()}};
  }

  const unsigned job_slots_;
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
  explicit Worker(const TestSession& session) : session_(session) { connect(); }

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
    EXPECT_THAT(answer(), testing::StartsWith("refused "));
    EXPECT_EQ(answer(), "");
  }
  bool has_answer() const { return can_hear(socket_); }
  void close() { socket_.reset(); }
  void kill() { process_.process().kill_and_wait(); }
  Child& process() { return process_.process(); }

 private:
  const TestSession& session_;
  RemoteProcess process_;
  UniqueFd socket_;
};

/// A worker that has said hello.
struct GreetedWorker : Worker {
  explicit GreetedWorker(const TestSession& session, const std::string& name = "gw0")
      : Worker(session) {
    greet(name);
  }
};

/// Another client of make, which takes and returns tokens.
class Neighbour {
 public:
  explicit Neighbour(const TestSession& session)
      : tokens_(must(open_tokens(session.makeflags()))) {}
  void take();
  void give_back();

 private:
  TokenSource tokens_;
  std::deque<char> held_;
};

/// The value of a line of /proc/PID/status or limits, which begins with the name.
std::string proc_value(const Child& process, const std::string& file, const std::string& name);

/// Whether the process comes to wait for an event. One that is woken again and again by the same
/// event never does.
bool falls_asleep(const Child& process);

/// Stops the process until SIGCONT. A signal alone could be overtaken by later ones.
void stop(const Child& process);

/// Everything said to the broker before this has been dealt with afterwards: it serves in order.
void wait_until_served(const TestSession& session);

}  // namespace jobslots::test
