/// A session in one process: a real Broker with a real fifo, and the clients that the input plays.
///
/// The input is a text with an event a line, so that a finding can be read. Its first line says of
/// what kind the clients 0, 1 and 2 and the controller 3 are: (n) no pidfd, (u) another user,
/// (r) never reads, (z) of another pid namespace; else ordinary. Then, with the client's number:
///
///     0+        connects, from a new process where the one before has died
///     0>TEXT    sends a packet ("|" stands for a newline; a trace goes to a file of the fuzzer's)
///     0*TEXT    sends a packet with the text forty times
///     0#TEXT    sends forty packets
///     0-        closes its socket
///     0x  0o    dies; dies while a child of it keeps its socket open
///     0t5       five milliseconds pass
///     0<  0=    a neighbour takes a token; returns it
///
/// The broker works until it sleeps, then the next line happens; at once where the line before ends
/// with "&". A fourth client, which does all as it should, must be served in the end, with the
/// others still there as far as there are slots, and nothing may be lost.
///
/// The broker's own loop runs. The script continues where it calls epoll_wait; processes and time
/// are played, see the functions __wrap_... below.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "check.h"
#include "jobslots/server.h"
#include "session/protocol.h"

extern "C" {
int __real_epoll_wait(int epoll, epoll_event* events, int size, int timeout);
int __real_getsockopt(int fd, int level, int option, void* value, socklen_t* size);
}

namespace jobslots::fuzz {
namespace {

constexpr unsigned kJobSlots = 3;
constexpr int kTokens = kJobSlots - 1;
constexpr std::size_t kBadClients = 3;
// How messages of the broker begin: those to the controller, and those to a worker.
constexpr std::array kReports{"begin ", "worker ", "summed ", "untraced "};
constexpr std::array kAnswers{"welcome 1", "refused "};

constexpr int kRoundsLimit = 10'000;  ///< Of the broker's loop, without anything new to do.

/// A process that exists for the broker only.
class Process {
 public:
  explicit Process(pid_t pid) : pid_(pid) {}

  pid_t pid() const { return pid_; }
  bool alive() const { return alive_; }
  void die() {
    alive_ = false;
    lives_.clear();
  }
  /// A pipe's end, which becomes readable when the process dies.
  int open_pidfd() {
    std::array<int, 2> ends{};
    if (!alive_ || pipe2(ends.data(), O_CLOEXEC) != 0) {
      errno = ESRCH;
      return -1;
    }
    lives_.emplace_back(ends.at(1));
    return ends.at(0);
  }

 private:
  pid_t pid_;
  std::vector<UniqueFd> lives_;
  bool alive_ = true;
};

enum class Kind { kOrdinary, kNoPidfd, kOtherUser, kNeverReads, kOtherNamespace };

Kind kind_of(char c) {
  switch (c) {
    case 'n':
      return Kind::kNoPidfd;
    case 'u':
      return Kind::kOtherUser;
    case 'r':
      return Kind::kNeverReads;
    case 'z':
      return Kind::kOtherNamespace;
    default:
      return Kind::kOrdinary;
  }
}

struct Client {
  Kind kind = Kind::kOrdinary;
  std::optional<Process> process;
  UniqueFd socket;
  int grants = 0;  ///< That it has read from this socket.
  int dones = 0;   ///< That it has sent.

  bool alive() const { return process && process->alive(); }
  /// Whether it has a slot for certain.
  bool holds() const { return alive() && grants > dones; }
  bool has_pidfd() const { return kind == Kind::kOrdinary || kind == Kind::kNeverReads; }
};

class World {
 public:
  explicit World(std::string_view script);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    std::remove(trace_.c_str());
    current_ = nullptr;
  }
  static World& current() { return *current_; }

  void run_broker();

  // What the broker asks the system.
  int wait(int epoll, epoll_event* events, int size, int timeout);
  void credentials_of_next(ucred& credentials);
  int open_pidfd(pid_t pid);
  void signal(int number) const;
  std::chrono::nanoseconds now() const { return now_; }

 private:
  enum class End { kLeave, kWant, kServed, kAllDie, kAllTokensBack, kGoodDies, kHangs };

  std::string_view next_line();
  bool play_next_lines();
  void play(std::size_t client, char verb, std::string_view text);
  void connect(Client& client);
  void say(Client& client, std::string_view text);
  void read_answers(Client& client);
  void check_sleeping_broker();
  void play_end();
  void leave(Client& client);

  static World* current_;

  std::string_view script_;
  std::array<Client, kBadClients> bad_;
  Client controller_;
  Client good_;
  std::vector<UniqueFd> kept_by_children_;
  std::deque<std::pair<pid_t, Kind>> connecting_;  ///< In the order in which they are accepted.
  pid_t last_pid_ = 1'000'000'000;
  std::chrono::nanoseconds now_{std::chrono::hours(1)};
  bool controller_said_bye_ = false;
  End end_ = End::kLeave;
  int rounds_ = 0;

  Server server_;
  TokenSource neighbour_;
  std::vector<char> neighbours_tokens_;
  std::string path_;
  std::string trace_ = "/dev/shm/jobslots-trace-" + std::to_string(getpid());
  std::optional<Broker> broker_;
};

World* World::current_ = nullptr;

template <class Beginnings>
bool starts_with_one_of(std::string_view message, const Beginnings& beginnings) {
  return std::ranges::any_of(beginnings,
                             [message](auto text) { return message.starts_with(text); });
}

template <class T>
T must(Result<T> result) {
  check(std::holds_alternative<T>(result), "the test has what it needs");
  return std::get<T>(std::move(result));
}

TokenSource tokens_of(const Server& server) {
  return must(TokenSource::open(must(parse_makeflags(server.makeflags()))));
}

World::World(std::string_view script)
    : script_(script),
      server_(must(Server::create(kJobSlots, "/dev/shm"))),
      neighbour_(tokens_of(server_)) {
  current_ = this;
  const std::string_view kinds = next_line();
  const auto kind = [kinds](std::size_t i) { return kind_of(i < kinds.size() ? kinds[i] : 0); };
  for (std::size_t i = 0; i < bad_.size(); ++i) bad_.at(i).kind = kind(i);
  controller_.kind = kind(bad_.size());
  controller_.process.emplace(++last_pid_);
  std::array<int, 2> sockets{};
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()) == 0,
        "the test has what it needs");
  controller_.socket = UniqueFd(sockets.at(0));
  connecting_.emplace_back(controller_.process->pid(), controller_.kind);
  Rendezvous rendezvous = must(Rendezvous::create("/dev/shm"));
  path_ = rendezvous.socket_path();
  broker_.emplace(Peer{UniqueFd(sockets.at(1))}, tokens_of(server_), std::move(rendezvous));
  connect(good_);
  say(good_, "hello 1 worker good");
}

void World::run_broker() {
  broker_->run();
  check(!controller_.alive() || controller_said_bye_, "the broker stays while the controller does");
  check(!good_.alive(), "the broker stays while a worker does");
  check(server_.tokens_available() == kTokens, "all tokens are back at the end");
  if (std::ifstream trace(trace_); trace) {
    check(nlohmann::json::accept(trace), "the trace is whole");
  }
}

std::string_view World::next_line() {
  const std::size_t size = std::min(script_.find('\n'), script_.size());
  const std::string_view line = script_.substr(0, size);
  script_.remove_prefix(std::min(size + 1, script_.size()));
  return line;
}

/// False where there is none.
bool World::play_next_lines() {
  if (script_.empty()) return false;
  bool at_once = true;
  while (at_once && !script_.empty()) {
    std::string_view line = next_line();
    at_once = line.ends_with('&');
    if (at_once) line.remove_suffix(1);
    if (line.size() < 2) continue;
    play(static_cast<unsigned char>(line[0]) % (kBadClients + 1), line[1], line.substr(2));
  }
  return true;
}

void World::play(std::size_t number, char verb, std::string_view text) {
  const bool is_controller = number == kBadClients;
  Client& client = is_controller ? controller_ : bad_.at(number);
  std::string repeated;
  switch (verb) {
    case '+':
      if (!is_controller) connect(client);
      break;
    case '>':
      say(client, text);
      break;
    case '*':
      for (int i = 0; i < 40; ++i) repeated += text;
      say(client, repeated);
      break;
    case '#':
      for (int i = 0; i < 40; ++i) say(client, text);
      break;
    case '-':
      client.socket.reset();
      // All that the broker sees of a controller's death then.
      if (is_controller && !client.has_pidfd()) leave(client);
      if (!client.has_pidfd()) client.grants = 0;
      break;
    case 'x':
      leave(client);
      break;
    case 'o':
      kept_by_children_.push_back(std::move(client.socket));
      leave(client);
      break;
    case 't':
      now_ += std::chrono::milliseconds(text.empty() ? 1 : static_cast<unsigned char>(text[0]));
      break;
    case '<':
      if (const auto token = neighbour_.try_take()) neighbours_tokens_.push_back(*token);
      break;
    case '=':
      if (neighbours_tokens_.empty()) break;
      check(neighbour_.try_return(neighbours_tokens_.back()), "a token can be returned");
      neighbours_tokens_.pop_back();
      break;
    default:
      break;
  }
}

void World::connect(Client& client) {
  client.socket = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  client.grants = 0;
  client.dones = 0;
  if (!client.alive()) client.process.emplace(++last_pid_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, path_.size());
  if (::connect(client.socket.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) == 0) {
    connecting_.emplace_back(client.process->pid(), client.kind);
  } else {
    client.socket.reset();  // Its queue is full.
  }
}

void World::say(Client& client, std::string_view text) {
  if (!client.socket) return;
  std::string packet(text);
  std::ranges::replace(packet, '|', '\n');
  if (packet.starts_with("trace ")) packet = "trace " + trace_;
  const bool sent =
      send(client.socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  if (!sent) return;
  if (packet == "done" || packet.starts_with("done ")) ++client.dones;
  if (&client == &controller_ && packet == "bye") controller_said_bye_ = true;
}

void World::read_answers(Client& client) {
  if (client.kind == Kind::kNeverReads) return;
  while (client.socket) {
    std::array<char, 1024> buffer{};
    const ssize_t size = recv(client.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      client.socket.reset();
      if (!client.has_pidfd()) client.grants = 0;
      return;
    }
    const std::string_view message(buffer.data(), static_cast<std::size_t>(size));
    const bool known =
        &client == &controller_
            ? message == "synced" || message == "traced" || starts_with_one_of(message, kReports)
            : message == "grant" || starts_with_one_of(message, kAnswers);
    check(known, "the broker keeps to the protocol");
    check(client.kind != Kind::kOtherUser || &client == &controller_,
          "another user is told nothing");
    if (message == "grant") ++client.grants;
  }
}

void World::leave(Client& client) {
  client.socket.reset();
  if (client.process) client.process->die();
}

void World::check_sleeping_broker() {
  for (Client& client : bad_) read_answers(client);
  read_answers(controller_);
  read_answers(good_);
  check(!good_.alive() || good_.socket, "who does as it should is not thrown out");
  const auto holders = std::ranges::count_if(bad_, &Client::holds) + (good_.holds() ? 1 : 0);
  const auto tokens = server_.tokens_available() + static_cast<int>(neighbours_tokens_.size());
  check(tokens <= kTokens, "no token is made");
  check(holders + tokens <= static_cast<int>(kJobSlots), "no slot is used twice");
}

/// The step after the last line; the broker sleeps after each.
void World::play_end() {
  switch (end_) {
    case End::kLeave:
      while (!neighbours_tokens_.empty()) play(0, '=', "");
      kept_by_children_.clear();
      if (controller_.alive() && controller_.socket) say(controller_, "bye");
      if (!controller_said_bye_) leave(controller_);
      // So many stay that a slot is left; without a controller there is no implicit one.
      leave(bad_.at(0));
      if (!controller_.alive()) leave(bad_.at(1));
      break;
    case End::kWant:
      say(good_, "want");
      break;
    case End::kServed:
      check(good_.grants == 1, "who does as it should is served");
      say(good_, "done");
      break;
    case End::kAllDie:
      for (Client& client : bad_) leave(client);
      break;
    case End::kAllTokensBack:
      check(server_.tokens_available() == kTokens, "all tokens are back when nobody works");
      say(good_, "want");
      break;
    case End::kGoodDies:
      check(good_.grants == 2, "who does as it should is served again");
      leave(good_);
      leave(controller_);
      break;
    case End::kHangs:
      check(false, "the broker ends when all have gone");
  }
  end_ = static_cast<End>(static_cast<int>(end_) + 1);
}

int World::wait(int epoll, epoll_event* events, int size, int timeout) {
  const auto asleep_since = now_;
  for (;;) {
    const int count = __real_epoll_wait(epoll, events, size, 0);
    check(count >= 0, "the broker waits for something");
    if (count > 0) {
      check(++rounds_ < kRoundsLimit, "the broker falls asleep");
      return count;
    }
    if (timeout >= 0 && now_ >= asleep_since + std::chrono::milliseconds(timeout)) return 0;
    check_sleeping_broker();
    rounds_ = 0;
    if (play_next_lines()) continue;
    if (timeout >= 0) {
      now_ += std::chrono::milliseconds(timeout);
      return 0;
    }
    play_end();
  }
}

void World::credentials_of_next(ucred& credentials) {
  check(!connecting_.empty(), "only who connects is accepted");
  const auto [pid, kind] = connecting_.front();
  connecting_.pop_front();
  credentials.pid = kind == Kind::kOtherNamespace ? 0 : pid;
  if (kind == Kind::kOtherUser) ++credentials.uid;
}

int World::open_pidfd(pid_t pid) {
  std::vector<Client*> clients{&controller_, &good_};
  for (Client& client : bad_) clients.push_back(&client);
  for (Client* client : clients) {
    if (client->process && client->process->pid() == pid && client->has_pidfd()) {
      return client->process->open_pidfd();
    }
  }
  errno = ESRCH;
  return -1;
}

void World::signal(int number) const {
  check(number == SIGINT, "workers are interrupted, nothing else");
  check(!controller_.alive() || !controller_.has_pidfd(), "only the controller's death interrupts");
}

}  // namespace
}  // namespace jobslots::fuzz

using jobslots::fuzz::World;

// NOLINTBEGIN(bugprone-reserved-identifier): the names that ld's --wrap gives.
extern "C" {

int __wrap_epoll_wait(int epoll, epoll_event* events, int size, int timeout) {
  return World::current().wait(epoll, events, size, timeout);
}

int __wrap_getsockopt(int fd, int level, int option, void* value, socklen_t* size) {
  const int result = __real_getsockopt(fd, level, option, value, size);
  if (option == SO_PEERCRED) World::current().credentials_of_next(*static_cast<ucred*>(value));
  return result;
}

/// pidfd_open and pidfd_send_signal: nothing else is called by its number.
long __wrap_syscall(long number, ...) {
  std::va_list arguments;
  va_start(arguments, number);
  const int first = va_arg(arguments, int);
  const int second = va_arg(arguments, int);
  va_end(arguments);
  constexpr long kPidfdOpen = 434;
  if (number == kPidfdOpen) return World::current().open_pidfd(first);
  World::current().signal(second);
  return 0;
}

int __wrap_kill(pid_t, int number) {
  World::current().signal(number);
  return 0;
}

/// A time_point is returned as the number that it consists of.
std::int64_t __wrap__ZNSt6chrono3_V212steady_clock3nowEv() {
  return World::current().now().count();
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int lowest_free = dup(STDIN_FILENO);
  close(lowest_free);
  World(std::string_view(reinterpret_cast<const char*>(data), size)).run_broker();
  const int still_lowest_free = dup(STDIN_FILENO);
  close(still_lowest_free);
  jobslots::fuzz::check(lowest_free == still_lowest_free, "no descriptor stays open");
  return 0;
}
