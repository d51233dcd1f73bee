#include "jobslots/token_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "system/processes.h"

namespace jobslots {
namespace {

std::string quoted(const std::string& path) { return "\"" + path + "\""; }

Unavailable cannot_open(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {Reason::kFifoMissing, "the jobserver fifo " + quoted(path) + " does not exist"};
    case EACCES:
    case EPERM:
    case EROFS:
      return {Reason::kNotPermitted,
              "the jobserver " + quoted(path) + " may not be opened: " + std::strerror(error)};
    case EISDIR:
    case ENXIO:
      return {Reason::kNotAFifo, "the jobserver " + quoted(path) + " is not a fifo"};
    default:
      return {Reason::kSystem,
              "the jobserver " + quoted(path) + " cannot be opened: " + std::strerror(error)};
  }
}

/// epoll(7) refuses what cannot become readable, such as regular files and /dev/zero.
bool can_be_polled(int fd) {
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

/// Read-write, so that the fifo never reports end of file when other clients close it, see fifo(7).
Result<UniqueFd> open_fifo(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd) return cannot_open(path, errno);
  struct stat status {};
  const bool usable = fstat(fd.get(), &status) == 0 &&
                      (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) &&
                      can_be_polled(fd.get());
  if (!usable) {
    return Unavailable{Reason::kNotAFifo, "the jobserver " + quoted(path) + " is not a fifo"};
  }
  return fd;
}

struct PipeEnds {
  UniqueFd read;
  UniqueFd write;
  std::optional<pid_t> make_process;  ///< See TokenSource::make_process.
};

/// Opens both ends anew through /proc, which gives file descriptions of our own. The numbers may be
/// stale and name any file: they are accepted only as the read end and the write end of one pipe.
Result<PipeEnds> open_pipe(pid_t pid, const PipeAuth& pipe) {
  if (access("/proc/self/fd", F_OK) != 0) {
    return Unavailable{Reason::kSystem,
                       "the jobserver is a pipe, the way to it is through /proc/PID/fd, and /proc "
                       "is not mounted"};
  }
  const std::string read_path = descriptor_path(pid, pipe.read_fd);
  const std::string write_path = descriptor_path(pid, pipe.write_fd);
  const std::string numbers = std::to_string(pipe.read_fd) + "," + std::to_string(pipe.write_fd);
  struct stat read_status {};
  struct stat write_status {};
  if (stat(read_path.c_str(), &read_status) != 0 || stat(write_path.c_str(), &write_status) != 0) {
    if (errno == EACCES || errno == EPERM) return cannot_open(read_path, errno);
    return Unavailable{Reason::kBadDescriptor,
                       "the jobserver's descriptors " + numbers + " are closed"};
  }
  // The mode bits of the link tell how the descriptor was opened, see proc(5) on /proc/PID/fd.
  struct stat read_link {};
  struct stat write_link {};
  const bool one_pipe =
      S_ISFIFO(read_status.st_mode) && S_ISFIFO(write_status.st_mode) &&
      read_status.st_ino == write_status.st_ino && read_status.st_dev == write_status.st_dev &&
      lstat(read_path.c_str(), &read_link) == 0 && lstat(write_path.c_str(), &write_link) == 0 &&
      (read_link.st_mode & S_IRUSR) != 0 && (write_link.st_mode & S_IWUSR) != 0;
  if (!one_pipe) {
    return Unavailable{Reason::kBadDescriptor, "the jobserver's descriptors " + numbers +
                                                   " are not the two ends of one pipe"};
  }
  PipeEnds ends{UniqueFd(::open(read_path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)),
                UniqueFd(::open(write_path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)),
                std::nullopt};
  if (!ends.read || !ends.write) return cannot_open(read_path, errno);
  return ends;
}

Result<PipeEnds> open_inherited_or_ancestors_pipe(const PipeAuth& pipe) {
  Unavailable own{Reason::kWithheld, "make did not pass its jobserver to this recipe"};
  if (!pipe.withheld) {
    auto ends = open_pipe(getpid(), pipe);
    if (std::holds_alternative<PipeEnds>(ends)) return ends;
    own = std::get<Unavailable>(std::move(ends));
  }
  if (pipe.read_fd < 0 || pipe.write_fd < 0) return own;
  const auto make = nearest_make(std::getenv("MAKE"));
  if (!make) {
    own.detail += ", and no ancestor process is a make";
    return own;
  }
  auto ends = open_pipe(*make, pipe);
  if (auto* theirs = std::get_if<Unavailable>(&ends)) {
    own.detail += ", and of make (process " + std::to_string(*make) + ") " + theirs->detail;
    own.reason = theirs->reason;
    return own;
  }
  std::get<PipeEnds>(ends).make_process = make;
  return ends;
}

}  // namespace

Result<TokenSource> TokenSource::open(const Makeflags& makeflags) {
  if (const auto* fifo = std::get_if<FifoAuth>(&makeflags.auth)) {
    auto fd = open_fifo(fifo->path);
    if (auto* unavailable = std::get_if<Unavailable>(&fd)) return *unavailable;
    return TokenSource(makeflags, std::nullopt, std::get<UniqueFd>(std::move(fd)), UniqueFd());
  }
  auto ends = open_inherited_or_ancestors_pipe(std::get<PipeAuth>(makeflags.auth));
  if (auto* unavailable = std::get_if<Unavailable>(&ends)) return *unavailable;
  auto& [read, write, make_process] = std::get<PipeEnds>(ends);
  return TokenSource(makeflags, make_process, std::move(read), std::move(write));
}

Result<TokenSource> TokenSource::from_environment(const GetEnv& getenv) {
  const auto makeflags = makeflags_from_environment(getenv);
  if (const auto* why = std::get_if<Unavailable>(&makeflags)) return *why;
  return open(std::get<Makeflags>(makeflags));
}

bool TokenSource::is_device() const {
  struct stat status {};
  return fstat(read_.get(), &status) == 0 && S_ISCHR(status.st_mode);
}

std::optional<char> TokenSource::try_take() {
  char token = 0;
  for (;;) {
    const ssize_t count = ::read(read_.get(), &token, 1);
    if (count == 1) return token;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || errno != EAGAIN) lost_ = true;
    return std::nullopt;
  }
}

bool TokenSource::try_return(char token) {
  for (;;) {
    const ssize_t count = ::write(write_fd(), &token, 1);
    if (count == 1) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return false;
    lost_ = true;  // Nobody is left to return it to.
    return true;
  }
}

std::optional<int> TokenSource::tokens_available() const {
  int count = 0;
  // What a device answers is its own affair, and need not be a number of tokens.
  if (is_device() || ioctl(read_.get(), FIONREAD, &count) != 0) return std::nullopt;
  return count;
}

}  // namespace jobslots
