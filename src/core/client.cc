#include "jobslots/client.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace jobslots {
namespace {

/// Waits for one of two things; poll(2) passes over descriptors that are negative. Where the system
/// cannot do that now, it has to be asked again.
void wait(pollfd one, pollfd other) {
  std::array<pollfd, 2> both{one, other};
  if (poll(both.data(), both.size(), -1) < 0 && errno != EINTR) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

bool is_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

}  // namespace

struct Slot::Jobserver {
  explicit Jobserver(TokenSource source) : tokens(std::move(source)) {}

  TokenSource tokens;
  bool implicit_in_use = false;
  /// The process that the slots belong to, and not its children.
  const pid_t owner = getpid();
};

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    give_back();
    jobserver_ = std::move(other.jobserver_);
    token_ = other.token_;
  }
  return *this;
}

Slot::~Slot() { give_back(); }

void Slot::give_back() {
  const auto jobserver = std::move(jobserver_);
  if (!jobserver || getpid() != jobserver->owner) return;
  if (!token_) {
    jobserver->implicit_in_use = false;
    return;
  }
  while (!jobserver->tokens.try_return(*token_)) {
    wait({jobserver->tokens.write_fd(), POLLOUT, 0}, {-1, 0, 0});
  }
}

Result<Client> Client::from_environment() {
  auto tokens = TokenSource::from_environment();
  if (auto* why = std::get_if<Unavailable>(&tokens)) return std::move(*why);
  return Client(std::get<TokenSource>(std::move(tokens)));
}

Client::Client(TokenSource tokens)
    : jobserver_(std::make_shared<Slot::Jobserver>(std::move(tokens))) {}

std::optional<Slot> Client::try_acquire() {
  if (!jobserver_ || getpid() != jobserver_->owner) return std::nullopt;
  if (!std::exchange(jobserver_->implicit_in_use, true)) return Slot(jobserver_, std::nullopt);
  if (const auto token = jobserver_->tokens.try_take()) return Slot(jobserver_, token);
  return std::nullopt;
}

std::optional<Slot> Client::acquire(int other_fd) {
  for (;;) {
    if (auto slot = try_acquire()) return slot;
    const int token_fd = lost() ? kNothingElse : fd();
    if (token_fd < 0 && other_fd < 0) return std::nullopt;
    if (is_readable(other_fd)) return std::nullopt;
    wait({token_fd, POLLIN, 0}, {other_fd, POLLIN, 0});
  }
}

int Client::fd() const { return jobserver_ ? jobserver_->tokens.read_fd() : -1; }

bool Client::lost() const { return !jobserver_ || jobserver_->tokens.lost(); }

}  // namespace jobslots
