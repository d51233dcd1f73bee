#include "jobslots/token_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "core/jobserver_files.h"
#include "core/why_none.h"
#include "system/processes.h"

namespace jobslots {

TokenSource::TokenSource(Makeflags makeflags, JobserverFiles files)
    : makeflags_(std::move(makeflags)),
      holder_(files.holder),
      read_(std::move(files.read.fd)),
      write_(std::move(files.write.fd)),
      read_access_(files.read.access),
      write_access_(write_ ? files.write.access : files.read.access) {}

Result<TokenSource> TokenSource::open(const Makeflags& makeflags) {
  const auto* fifo = std::get_if<FifoAuth>(&makeflags.auth);
  auto files = fifo != nullptr ? open_path(*fifo) : open_descriptors(makeflags);
  if (auto* why = std::get_if<Unavailable>(&files)) return std::move(*why);
  return TokenSource(makeflags, std::get<JobserverFiles>(std::move(files)));
}

Result<TokenSource> TokenSource::from_environment(const GetEnv& getenv) {
  auto makeflags = makeflags_from_environment(getenv);
  if (auto* why = std::get_if<Unavailable>(&makeflags)) {
    if (why->reason != Reason::kNone || getenv("MAKEFLAGS") != nullptr) return std::move(*why);
    const auto make = nearest_make(getenv("MAKE"));
    const bool removed = make && jobs_given_to(*make).value_or(1) > 1;
    return removed ? why_none(getenv, make) : std::move(*why);
  }
  auto tokens = open(std::get<Makeflags>(makeflags));
  if (auto* why = std::get_if<Unavailable>(&tokens)) why->variables = jobserver_variables(getenv);
  return tokens;
}

bool TokenSource::is_device() const {
  struct stat status {};
  return fstat(read_.get(), &status) == 0 && S_ISCHR(status.st_mode);
}

std::optional<char> TokenSource::try_take() {
  if (read_access_ == Access::kSharedPipe) return take_from_shared_pipe();
  char token = 0;
  for (;;) {
    const ssize_t count = read_access_ == Access::kSocket
                              ? ::recv(read_.get(), &token, 1, MSG_DONTWAIT)
                              : ::read(read_.get(), &token, 1);
    if (count == 1) return token;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || errno != EAGAIN) lost_ = true;
    return std::nullopt;
  }
}

/// read(2) would wait where another client takes the token between poll(2) and it. splice(2) can be
/// told not to wait, whatever the flags of the description are: it moves the byte to a pipe of our
/// own, from where it is read.
std::optional<char> TokenSource::take_from_shared_pipe() {
  if (!private_read_) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      lost_ = true;  // Without descriptors it stays out of reach.
      return std::nullopt;
    }
    private_read_ = UniqueFd(ends[0]);
    private_write_ = UniqueFd(ends[1]);
  }
  for (;;) {
    const ssize_t count =
        splice(read_.get(), nullptr, private_write_.get(), nullptr, 1, SPLICE_F_NONBLOCK);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || (count < 0 && errno != EAGAIN)) lost_ = true;
    if (count != 1) return std::nullopt;
    char token = 0;
    while (::read(private_read_.get(), &token, 1) != 1) {
    }
    return token;
  }
}

bool TokenSource::try_return(char token) {
  if (write_access_ == Access::kSharedPipe) {
    // write(2) would wait where it is full, and where nobody reads it, raise SIGPIPE.
    pollfd writable{write_fd(), POLLOUT, 0};
    if (poll(&writable, 1, 0) <= 0) return false;
    if ((writable.revents & POLLERR) != 0) {
      lost_ = true;
      return true;
    }
  }
  for (;;) {
    const ssize_t count = write_access_ == Access::kSocket
                              ? ::send(write_fd(), &token, 1, MSG_DONTWAIT | MSG_NOSIGNAL)
                              : ::write(write_fd(), &token, 1);
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
