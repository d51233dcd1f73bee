#include "jobslots/server.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/jobserver_files.h"

namespace jobslots {
namespace {

Unavailable failed(const std::string& what) {
  return {Reason::kSystem, what + ": " + std::strerror(errno)};
}

std::optional<Unavailable> refused(unsigned job_slots) {
  if (job_slots > 0) return std::nullopt;
  return Unavailable{Reason::kSystem, "a jobserver of 0 job slots could run nothing",
                     "ask for 1 or more"};
}

/// Makes room for the tokens, and puts them there. A pipe has a page more than they need: one that
/// is partly read takes nothing until it is empty, and a client that returns a token must not wait.
std::optional<Unavailable> fill(int fd, unsigned job_slots) {
  constexpr int kPage = 4096;
  constexpr unsigned kMost = 1U << 30U;
  const unsigned tokens = job_slots - 1;
  int room = fcntl(fd, F_GETPIPE_SZ);
  if (room < 0) return failed("no pipe's size");
  const int wanted = static_cast<int>(std::min(tokens, kMost)) + kPage;
  if (wanted > room) room = fcntl(fd, F_SETPIPE_SZ, wanted);
  if (room < 0) {
    Unavailable why =
        failed("a pipe cannot hold the tokens of " + std::to_string(job_slots) + " job slots");
    why.remedy = "ask for fewer, or raise fs.pipe-max-size";
    return why;
  }
  const std::string some(kPage, '+');
  for (std::size_t left = tokens; left > 0;) {
    const ssize_t size = write(fd, some.data(), std::min(left, some.size()));
    if (size < 0 && errno != EINTR) return failed("cannot fill the jobserver");
    if (size > 0) left -= static_cast<std::size_t>(size);
  }
  return std::nullopt;
}

}  // namespace

Result<Server> Server::create(unsigned job_slots, const std::string& directory) {
  if (auto why = refused(job_slots)) return *why;
  if (directory.empty()) {
    return Unavailable{Reason::kSystem, "no folder is named for the jobserver's fifo",
                       "name one, e.g. /tmp"};
  }
  std::string own = directory + "/jobserver-XXXXXX";
  if (mkdtemp(own.data()) == nullptr) return failed("no directory in " + directory);
  Server server(job_slots, own, UniqueFd(), UniqueFd());
  const std::string path = server.fifo_path();
  if (mkfifo(path.c_str(), 0600) != 0) return failed("no fifo " + path);
  server.read_ = UniqueFd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!server.read_) return failed("cannot open " + path);
  if (auto why = fill(server.read_.get(), job_slots)) return *why;
  return server;
}

Result<Server> Server::create_pipe(unsigned job_slots) {
  if (auto why = refused(job_slots)) return *why;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return failed("no pipe");
  Server server(job_slots, "", UniqueFd(ends[0]), UniqueFd(ends[1]));
  if (auto why = fill(server.write_.get(), job_slots)) return *why;
  return server;
}

Server::~Server() {
  if (directory_.empty()) return;
  unlink(fifo_path().c_str());
  rmdir(directory_.c_str());
}

std::string Server::makeflags() const { return to_makeflags(jobserver()); }

std::vector<int> Server::inherited_fds() const {
  if (!write_) return {};
  return {read_.get(), write_.get()};
}

bool Server::keep_fds_on_exec() const {
  return !write_ || (fcntl(read_.get(), F_SETFD, 0) == 0 && fcntl(write_.get(), F_SETFD, 0) == 0);
}

Result<Client> Server::client() const {
  auto files = open_own(read_.get(), write_ ? write_.get() : read_.get());
  if (auto* why = std::get_if<Unavailable>(&files)) return std::move(*why);
  return Client(TokenSource(jobserver(), std::get<JobserverFiles>(std::move(files))));
}

Makeflags Server::jobserver() const {
  if (write_) return {PipeAuth{read_.get(), write_.get(), false}, job_slots_};
  return {FifoAuth{fifo_path()}, job_slots_};
}

int Server::tokens_available() const {
  int count = 0;
  return ioctl(read_.get(), FIONREAD, &count) == 0 ? count : 0;
}

}  // namespace jobslots
