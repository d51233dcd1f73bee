#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace jobslots::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

constexpr std::string_view kKeptNone = "kept none";
constexpr int kLimitMs = static_cast<int>(std::chrono::milliseconds(kLimit).count());

/// Above the numbers that make uses, so that a test run by make does not meet make's own pipe.
UniqueFd with_high_number(UniqueFd fd) {
  UniqueFd high(fcntl(fd.get(), F_DUPFD_CLOEXEC, 700));
  if (!high) fail("F_DUPFD_CLOEXEC");
  return high;
}

void send_fds(int socket, const std::vector<int>& fds) {
  char text = 'f';
  iovec data{&text, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const std::size_t size = fds.size() * sizeof(int);
  if (!fds.empty()) {
    message.msg_control = space.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), fds.data(), size);
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1) fail("sendmsg");
}

std::vector<UniqueFd> receive_fds(int socket) {
  char text = 0;
  iovec data{&text, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  if (!wait_readable(socket) || recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) fail("recvmsg");
  std::vector<UniqueFd> fds;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

UniqueFd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    socket.reset();
  }
  return socket;
}

/// What a RemoteProcess does: for each request (the path to connect to, or "pair") it hands the
/// sockets over, and says so once it keeps none itself.
int serve_sockets(int control) {
  // Copies of the test's sockets would keep connections open that the test means to close.
  dup2(control, STDERR_FILENO + 1);
  close_range(STDERR_FILENO + 2, ~0U, 0);
  control = STDERR_FILENO + 1;
  std::array<char, sizeof(sockaddr_un::sun_path)> text{};
  for (;;) {
    const ssize_t size = recv(control, text.data(), text.size(), 0);
    if (size <= 0) return 0;
    const std::string request(text.data(), static_cast<std::size_t>(size));
    if (request == "pair") {
      const FdPair pair = make_socketpair();
      send_fds(control, {pair.first.get(), pair.second.get()});
    } else {
      const UniqueFd socket = connect_to(request);
      send_fds(control, socket ? std::vector{socket.get()} : std::vector<int>());
    }
    send(control, kKeptNone.data(), kKeptNone.size(), MSG_NOSIGNAL);
  }
}

}  // namespace

bool wait_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, kLimitMs) == 1;
}

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kLimit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

Result<TokenSource> open_tokens(const std::string& makeflags) {
  return TokenSource::open(must(parse_makeflags(makeflags)));
}

TempDir::TempDir() : path_((std::filesystem::temp_directory_path() / "jobslots-test-XXXXXX")) {
  if (mkdtemp(path_.data()) == nullptr) fail(path_);
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  EXPECT_FALSE(error) << path_ << ": " << error.message();
}

bool TempDir::empty() const { return std::filesystem::is_empty(path_); }

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

FdPair make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  return {with_high_number(UniqueFd(ends[0])), with_high_number(UniqueFd(ends[1]))};
}

FdPair make_socketpair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) fail("socketpair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::pair<UniqueFd, std::string> make_terminal() {
  UniqueFd outer(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!outer || grantpt(outer.get()) != 0 || unlockpt(outer.get()) != 0) fail("posix_openpt");
  termios mode{};
  if (tcgetattr(outer.get(), &mode) != 0) fail("tcgetattr");
  cfmakeraw(&mode);
  if (tcsetattr(outer.get(), TCSANOW, &mode) != 0) fail("tcsetattr");
  std::array<char, 64> path{};
  if (ptsname_r(outer.get(), path.data(), path.size()) != 0) fail("ptsname_r");
  return {std::move(outer), path.data()};
}

ScopedEnv::ScopedEnv(const char* name, const char* value) : name_(name) {
  if (const char* before = getenv(name)) before_ = before;
  if (value != nullptr) {
    setenv(name, value, 1);
  } else {
    unsetenv(name);
  }
}

ScopedEnv::~ScopedEnv() {
  if (before_) {
    setenv(name_.c_str(), before_->c_str(), 1);
  } else {
    unsetenv(name_.c_str());
  }
}

Child::Child(const std::function<int()>& body) : pid_(fork()) {
  if (pid_ < 0) fail("fork");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Also where the test itself is killed, nothing is left.
  int status = 125;
  try {
    status = body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "in the child: %s\n", error.what());
  }
  _exit(status);
}

Child::~Child() { kill_and_wait(); }

bool Child::running() const {
  siginfo_t info{};
  return !status_ &&
         waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void Child::signal(int number) const {
  if (!status_) kill(pid_, number);
}

std::optional<int> Child::wait() {
  if (status_) return status_;
  const UniqueFd life(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!life) fail("pidfd_open");
  if (!wait_readable(life.get())) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) fail("waitpid");
  status_ = status;
  return status_;
}

std::optional<int> Child::wait_exit() {
  const auto status = wait();
  if (!status || !WIFEXITED(*status)) return std::nullopt;
  return WEXITSTATUS(*status);
}

void Child::kill_and_wait() {
  if (status_) return;
  kill(pid_, SIGKILL);
  int status = 0;
  if (waitpid(pid_, &status, 0) == pid_) status_ = status;
}

std::optional<int> below_a_process_named(const char* name, const std::function<int()>& body) {
  Child middle([name, &body] {
    prctl(PR_SET_NAME, name);
    Child inner([&body] {
      prctl(PR_SET_NAME, "test");  // It has inherited the name.
      return body();
    });
    return inner.wait_exit().value_or(126);
  });
  return middle.wait_exit();
}

std::optional<int> as_an_orphan(const std::function<int()>& body) {
  const FdPair report = make_pipe();
  Child middle([&] {
    const pid_t parent = getpid();
    if (fork() != 0) return 0;
    while (getppid() == parent) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int status = body();
    return write(report.second.get(), &status, sizeof(status)) == sizeof(status) ? 0 : 1;
  });
  int status = 0;
  if (middle.wait_exit() != 0 || !wait_readable(report.first.get()) ||
      read(report.first.get(), &status, sizeof(status)) != sizeof(status)) {
    return std::nullopt;
  }
  return status;
}

void drop_root() {
  constexpr uid_t kNobody = 65534;
  if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) fail("setuid");
}

int exec(const std::vector<std::string>& command,
         const std::map<std::string, std::string>& environment) {
  std::vector<std::string> assignments;
  for (const auto& [name, value] : environment) assignments.push_back(name + "=" + value);
  std::vector<char*> arguments;
  std::vector<char*> variables;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& word : assignments) variables.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  execve(command.front().c_str(), arguments.data(), variables.data());
  fail(command.front());
}

RemoteProcess::RemoteProcess() : RemoteProcess(test::make_socketpair()) {}

RemoteProcess::RemoteProcess(FdPair control)
    : control_(std::move(control.first)),
      child_([fd = control.second.get()] { return serve_sockets(fd); }) {}

std::vector<UniqueFd> RemoteProcess::request(const std::string& text) {
  say(control_, text);
  auto fds = receive_fds(control_.get());
  if (hear(control_) != kKeptNone) throw std::runtime_error("the remote process has ended");
  return fds;
}

UniqueFd RemoteProcess::connect(const std::string& path) {
  auto fds = request(path);
  return fds.empty() ? UniqueFd() : std::move(fds.at(0));
}

FdPair RemoteProcess::make_socketpair() {
  auto fds = request("pair");
  return {std::move(fds.at(0)), std::move(fds.at(1))};
}

bool say(const UniqueFd& socket, std::string_view message) {
  return send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

std::string hear(const UniqueFd& socket) {
  if (!wait_readable(socket.get())) return "(nothing)";
  std::array<char, 4096> text{};
  const ssize_t size = recv(socket.get(), text.data(), text.size(), 0);
  return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

bool can_hear(const UniqueFd& socket) {
  pollfd readable{socket.get(), POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

}  // namespace jobslots::test
