#pragma once

/// What several unit tests need: folders, processes and descriptors that do not outlive the test,
/// and waiting for an event with a limit so generous that only a broken program reaches it.

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "jobslots/token_source.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots::test {

inline constexpr std::chrono::seconds kLimit{30};

/// Waits until fd is readable, at its end of file, or kLimit is over (false).
bool wait_readable(int fd);
/// Waits until condition holds, for states that nothing reports; false after kLimit.
bool eventually(const std::function<bool()>& condition);

/// The thing of a result that must be one; throws, which fails the test, where it is not.
template <class T>
T must(Result<T> result) {
  if (const auto* why = std::get_if<Unavailable>(&result)) throw std::runtime_error(why->message());
  return std::get<T>(std::move(result));
}

/// Why a result that must not be a thing is none.
template <class T>
Unavailable must_fail(const Result<T>& result) {
  const auto* why = std::get_if<Unavailable>(&result);
  if (why == nullptr) throw std::runtime_error("succeeded, but should not");
  return *why;
}

/// The tokens of the jobserver that a value of MAKEFLAGS names.
Result<TokenSource> open_tokens(const std::string& makeflags);

/// A folder of the test's own, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  bool empty() const;

 private:
  std::string path_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, std::string_view text);

struct FdPair {
  UniqueFd first;
  UniqueFd second;
};
/// A pipe: the read end first. Its numbers are so high that no make has descriptors of these
/// numbers.
FdPair make_pipe();
FdPair make_socketpair();
/// A terminal in raw mode: its inner side is a character device as a global jobserver may be.
/// first is the outer side; the path is that of the inner one.
std::pair<UniqueFd, std::string> make_terminal();

/// Sets a variable of the environment, or removes it (null), for the test's duration.
class ScopedEnv {
 public:
  ScopedEnv(const char* name, const char* value);
  ScopedEnv(const ScopedEnv&) = delete;
  ScopedEnv& operator=(const ScopedEnv&) = delete;
  ~ScopedEnv();

 private:
  std::string name_;
  std::optional<std::string> before_;
};

/// A child process, killed and reaped at the latest when this is destroyed.
class Child {
 public:
  /// Runs body in the child, and ends it with what body returns.
  explicit Child(const std::function<int()>& body);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  bool running() const;
  void signal(int number) const;
  /// Waits for the end: its status as in wait(2), or nothing where it does not end within kLimit.
  std::optional<int> wait();
  /// The exit status, or nothing where it does not end or is killed.
  std::optional<int> wait_exit();
  void kill_and_wait();

 private:
  pid_t pid_;
  std::optional<int> status_;
};

/// Runs body in the child of a process of that name, and returns what body returns.
std::optional<int> below_a_process_named(const char* name, const std::function<int()>& body);
/// Runs body in a process that nobody started: these tests may run below a make -jN themselves.
/// Returns what body returns.
std::optional<int> as_an_orphan(const std::function<int()>& body);
/// Becomes a user who may not do everything, where the caller is root. For children only.
void drop_root();
/// Starts a program in a child that calls this. Returns only where it cannot.
int exec(const std::vector<std::string>& command,
         const std::map<std::string, std::string>& environment);

/// A process that opens sockets in its own name and hands them to the test. The test speaks through
/// them; who looks at the socket's other end (SO_PEERCRED) sees this process, and the test decides
/// separately when the process ends and when the socket closes.
class RemoteProcess {
 public:
  RemoteProcess();

  /// A connection of this process to the listening socket at path.
  UniqueFd connect(const std::string& path);
  /// Two connected sockets, both belonging to this process.
  FdPair make_socketpair();
  Child& process() { return child_; }

 private:
  explicit RemoteProcess(FdPair control);
  std::vector<UniqueFd> request(const std::string& text);

  UniqueFd control_;
  Child child_;
};

/// Speaks over a SOCK_SEQPACKET socket as clients of the broker do.
bool say(const UniqueFd& socket, std::string_view message);
/// The next packet, or "" at the connection's end, or "(nothing)" after kLimit.
std::string hear(const UniqueFd& socket);
/// Whether a packet or the end is there already.
bool can_hear(const UniqueFd& socket);

}  // namespace jobslots::test
