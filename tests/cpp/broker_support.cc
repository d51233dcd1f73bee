#include "broker_support.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <stdexcept>

namespace jobslots::test {

int exec_broker(const UniqueFd& socket, std::map<std::string, std::string> environment,
                const Prepare& prepare) {
  dup2(socket.get(), STDIN_FILENO);
  // By descriptor, as another user may not reach the build folder.
  const UniqueFd program(open(JOBSLOTS_EXECUTABLE, O_RDONLY));
  fcntl(program.get(), F_SETFD, FD_CLOEXEC);
  if (prepare) prepare();
  return exec({"/proc/self/fd/" + std::to_string(program.get()), "broker"}, environment);
}

TestSession::TestSession(unsigned job_slots, const Prepare& prepare)
    : job_slots_(job_slots),
      server_(must(Server::create(job_slots))),
      sockets_(controller_.make_socketpair()),
      broker_([this, &prepare] { return exec_broker(sockets_.second, environment(), prepare); }) {
  sockets_.second.reset();
  say(controller(), kHello + " controller");
  const std::string welcome = hear(controller());
  const std::string beginning = kWelcome + " " + std::to_string(job_slots) + " ";
  EXPECT_THAT(welcome, testing::StartsWith(beginning));
  if (welcome.starts_with(beginning)) path_ = welcome.substr(beginning.size());
}

void TestSession::kill_controller() {
  controller_.process().kill_and_wait();
  controller().reset();
}

std::vector<std::string> TestSession::sync() {
  say(controller(), "sync");
  std::vector<std::string> begun;
  for (std::string message = hear(controller()); message != "synced";
       message = hear(controller())) {
    if (!message.starts_with("begin ")) throw std::runtime_error("\"" + message + "\"");
    begun.push_back(message.substr(message.find(' ') + 1));
  }
  return begun;
}

void TestSession::expect_end() {
  say(controller(), "bye");
  expect_ended();
}

void TestSession::expect_ended(int status) {
  EXPECT_EQ(broker_.wait_exit(), status);
  EXPECT_EQ(tokens_available(), static_cast<int>(job_slots_) - 1);
  EXPECT_TRUE(tmpdir_.empty());
}

void Neighbour::take() {
  const auto token = tokens_.try_take();
  if (!token) throw std::runtime_error("no token is free");
  held_.push_back(*token);
}

void Neighbour::give_back() {
  EXPECT_TRUE(tokens_.try_return(held_.front()));
  held_.pop_front();
}

std::string proc_value(const Child& process, const std::string& file, const std::string& name) {
  std::istringstream text(read_file("/proc/" + std::to_string(process.pid()) + "/" + file));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(name)) return line.substr(name.size());
  }
  throw std::runtime_error("no " + name + " in " + file);
}

namespace {

/// Whether the process comes into the state, a letter of ps(1).
bool comes_into_state(const Child& process, char state) {
  return eventually([&process, state] {
    return proc_value(process, "status", "State:").find(state) != std::string::npos;
  });
}

}  // namespace

bool falls_asleep(const Child& process) { return comes_into_state(process, 'S'); }

void stop(const Child& process) {
  process.signal(SIGSTOP);
  EXPECT_TRUE(comes_into_state(process, 'T'));
}

void wait_until_served(const TestSession& session) { const GreetedWorker another(session); }

}  // namespace jobslots::test
