#include "core/jobserver_files.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/descriptor_pair.h"
#include "core/issuer.h"
#include "system/processes.h"

namespace jobslots {
namespace {

std::string quoted(const std::string& path) { return "\"" + path + "\""; }

Unavailable system_failure(const std::string& what, int error) {
  Unavailable why{Reason::kSystem, what + ": " + std::strerror(error)};
  if (error == EMFILE) why.remedy = "allow this process more open files, e.g. ulimit -n 1024";
  if (error == ENFILE) why.remedy = "allow the system more open files, see fs.file-max";
  return why;
}

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
      return system_failure("the jobserver " + quoted(path) + " cannot be opened", error);
  }
}

/// A new description of the file, or nothing and errno.
UniqueFd open_anew(const std::string& path, int mode) {
  return UniqueFd(::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

/// 0, or why the file cannot be waited for: EPERM of what cannot become readable, such as regular
/// files and /dev/zero, see epoll_ctl(2).
int error_of_polling(int fd) {
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

/// Read-write, so that the fifo never reports end of file when other clients close it, see fifo(7).
/// Where it is not found, path is the name to speak of.
Result<UniqueFd> open_fifo(const std::string& place, const std::string& path) {
  UniqueFd fd = open_anew(place, O_RDWR);
  if (!fd) return cannot_open(path, errno);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return cannot_open(path, errno);
  if (S_ISFIFO(status.st_mode)) return fd;
  const int error = S_ISCHR(status.st_mode) ? error_of_polling(fd.get()) : EPERM;
  if (error == 0) return fd;
  return cannot_open(path, error == EPERM ? ENXIO : error);
}

/// Each end anew through /proc, which gives a description of our own, whose flags are ours. Where
/// that is not possible (a socket, another user's pipe, no /proc), an inherited one is used itself.
Result<JobserverEnd> open_end(const DescriptorPair& pair, const DescriptorPair::End& end, int fd,
                              int mode) {
  const bool inherited = pair.process == 0;
  const std::string path = descriptor_path(inherited ? getpid() : pair.process, fd);
  if (end.is_fifo()) {
    if (UniqueFd own = open_anew(path, mode)) {
      return JobserverEnd{std::move(own), Access::kOwnDescription};
    }
    if (!inherited || errno == EMFILE || errno == ENFILE) return cannot_open(path, errno);
  }
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return cannot_open(path, errno);
  return JobserverEnd{std::move(copy), end.is_fifo() ? Access::kSharedPipe : Access::kSocket};
}

Result<JobserverFiles> open_pair(const DescriptorPair& pair, const PipeAuth& pipe) {
  const bool one_fd = pipe.read_fd == pipe.write_fd;
  auto read = open_end(pair, pair.read, pipe.read_fd, one_fd ? O_RDWR : O_RDONLY);
  if (auto* why = std::get_if<Unavailable>(&read)) return std::move(*why);
  JobserverFiles files{std::get<JobserverEnd>(std::move(read)), {}};
  if (one_fd) return files;
  auto write = open_end(pair, pair.write, pipe.write_fd, O_WRONLY);
  if (auto* why = std::get_if<Unavailable>(&write)) return std::move(*why);
  files.write = std::get<JobserverEnd>(std::move(write));
  // Whoever reads from a pipe of its own may go while we write to it.
  if (pair.write.is_fifo() && !pair.one_pipe()) files.write.access = Access::kSharedPipe;
  return files;
}

std::string numbers(const PipeAuth& pipe) {
  return std::to_string(pipe.read_fd) + "," + std::to_string(pipe.write_fd);
}

/// Why there is no jobserver at these numbers.
Unavailable not_usable(const DescriptorPair& pair, const PipeAuth& pipe) {
  if (pair.error == EACCES || pair.error == EPERM) {
    return cannot_open(descriptor_path(pair.process, pipe.read_fd), pair.error);
  }
  const std::string what = "the jobserver's descriptors " + numbers(pipe);
  if (pair.error != 0) return {Reason::kBadDescriptor, what + " are closed"};
  return {Reason::kBadDescriptor, what + " are not the two ends of one pipe"};
}

/// Whether what this process has at the numbers is the jobserver. Of one pipe both ends are, unless
/// make has another one there. What else it may be could as well be opened by anybody: it must be
/// what the issuer has there.
bool is_jobserver(const DescriptorPair& own, const std::optional<Issuer>& issuer,
                  const DescriptorPair& theirs) {
  if (own.same_as(theirs)) return true;
  if (issuer && issuer->is_make && theirs.one_pipe()) return false;
  return own.one_pipe() || (own.usable() && !read_process(getpid()));
}

}  // namespace

Result<JobserverFiles> open_path(const FifoAuth& fifo) {
  auto fd = open_fifo(fifo.path, fifo.path);
  const auto* why = std::get_if<Unavailable>(&fd);
  if (why != nullptr && why->reason == Reason::kFifoMissing) {
    const bool relative = !fifo.path.starts_with('/');
    for (const Process& process : ancestors()) {
      const std::string folder =
          "/proc/" + std::to_string(process.pid) + (relative ? "/cwd/" : "/root/");
      auto theirs = open_fifo(folder + fifo.path, fifo.path);
      if (std::holds_alternative<Unavailable>(theirs)) continue;
      fd = std::move(theirs);
      break;
    }
  }
  if (auto* missing = std::get_if<Unavailable>(&fd)) return std::move(*missing);
  return JobserverFiles{{std::get<UniqueFd>(std::move(fd)), Access::kOwnDescription}, {}};
}

Result<JobserverFiles> open_descriptors(const Makeflags& makeflags) {
  const auto& pipe = std::get<PipeAuth>(makeflags.auth);
  Unavailable own{Reason::kWithheld, "make did not pass its jobserver to this recipe"};
  if (pipe.read_fd < 0 || pipe.write_fd < 0) return own;
  const auto issuer = issuer_of(makeflags);
  const DescriptorPair theirs = issuer ? pair_of(issuer->process, pipe) : DescriptorPair{};
  if (!pipe.withheld) {
    const DescriptorPair inherited = inherited_pair(pipe);
    if (is_jobserver(inherited, issuer, theirs)) return open_pair(inherited, pipe);
    own = not_usable(inherited, pipe);
  }
  const bool in_between = issuer && !issuer->is_make && theirs.one_pipe();
  const auto holder = in_between || (issuer && issuer->is_make) ? std::optional(issuer->process)
                                                                : nearest_make(std::getenv("MAKE"));
  if (!holder) {
    own.detail += ", and no ancestor process is a make";
    return own;
  }
  const DescriptorPair pair = pair_of(*holder, pipe);
  auto files = pair.one_pipe() ? open_pair(pair, pipe) : not_usable(pair, pipe);
  if (auto* why = std::get_if<Unavailable>(&files)) {
    own.detail += ", and of make (process " + std::to_string(*holder) + ") " + why->detail;
    own.reason = why->reason;
    own.remedy = why->remedy;
    return own;
  }
  std::get<JobserverFiles>(files).holder = holder;
  return files;
}

Result<JobserverFiles> open_own(int read_fd, int write_fd) {
  const PipeAuth pipe{read_fd, write_fd, false};
  const DescriptorPair pair = inherited_pair(pipe);
  if (!pair.usable()) return not_usable(pair, pipe);
  return open_pair(pair, pipe);
}

}  // namespace jobslots
