#include "pool/fifo.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pool/place.h"
#include "system/processes.h"

namespace jobslots {
namespace {

constexpr char kToken = '+';

Unavailable failed(const std::string& path) {
  return {Reason::kSystem, "the pool's fifo " + path + ": " + std::strerror(errno), kMakeRoom};
}

bool is_fifo(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

Result<PoolFifo> PoolFifo::open(const std::string& path, bool keep, unsigned job_slots) {
  if (!keep || !is_fifo(path)) {
    unlink(path.c_str());
    if (mkfifo(path.c_str(), 0600) != 0) return failed(path);
  }
  // The writing end alone could not be opened without waiting while nobody reads (fifo(7)).
  const UniqueFd both(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  UniqueFd writing(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!both || !writing) return failed(path);
  constexpr int kPage = 4096;  // One that is partly read takes nothing until it is empty.
  const int room = static_cast<int>(job_slots) + kPage;
  if (fcntl(writing.get(), F_GETPIPE_SZ) < room && fcntl(writing.get(), F_SETPIPE_SZ, room) < 0) {
    return failed(path);
  }
  return PoolFifo(path, std::move(writing));
}

std::size_t PoolFifo::count() const {
  int count = 0;
  return ioctl(writing_.get(), FIONREAD, &count) == 0 ? static_cast<std::size_t>(count) : 0;
}

bool PoolFifo::others() const {
  pollfd end{writing_.get(), 0, 0};
  return poll(&end, 1, 0) == 0;  // Else POLLERR: nobody has the other end.
}

bool PoolFifo::try_take() {
  char token = 0;
  return read(reading_fd(), &token, 1) == 1;
}

void PoolFifo::put(std::size_t count) {
  if (reading_fd() < 0) return;  // There would be SIGPIPE: they are missed, and made anew.
  const std::string tokens(count, kToken);
  [[maybe_unused]] const ssize_t written = write(writing_.get(), tokens.data(), count);
}

bool PoolFifo::is_in_place() const { return is_same_file(path_, writing_.get()); }

int PoolFifo::reading_fd() {
  constexpr int kHow = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  // Another fifo, or none, may be at the path.
  if (!reading_) {
    reading_ = UniqueFd(::open(descriptor_path(getpid(), writing_.get()).c_str(), kHow));
  }
  if (!reading_) reading_ = UniqueFd(::open(path_.c_str(), kHow | O_NOFOLLOW));
  return reading_.get();
}

}  // namespace jobslots
