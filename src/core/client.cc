#include "jobslots/client.h"

#include <poll.h>

#include <utility>

namespace jobslots {

struct Slot::Jobserver {
  explicit Jobserver(TokenSource source) : tokens(std::move(source)) {}

  TokenSource tokens;
  bool implicit_in_use = false;
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
  if (!jobserver) return;
  if (!token_) {
    jobserver->implicit_in_use = false;
    return;
  }
  while (!jobserver->tokens.try_return(*token_)) {
    pollfd writable{jobserver->tokens.write_fd(), POLLOUT, 0};
    poll(&writable, 1, -1);
  }
}

Result<Client> Client::from_environment() {
  auto tokens = TokenSource::from_environment();
  if (auto* why = std::get_if<Unavailable>(&tokens)) return *why;
  return Client(std::get<TokenSource>(std::move(tokens)));
}

Client::Client(TokenSource tokens)
    : jobserver_(std::make_shared<Slot::Jobserver>(std::move(tokens))) {}

std::optional<Slot> Client::try_acquire() {
  if (!jobserver_) return std::nullopt;
  if (!std::exchange(jobserver_->implicit_in_use, true)) return Slot(jobserver_, std::nullopt);
  if (const auto token = jobserver_->tokens.try_take()) return Slot(jobserver_, token);
  return std::nullopt;
}

std::optional<Slot> Client::acquire() {
  for (;;) {
    if (auto slot = try_acquire()) return slot;
    if (!jobserver_ || jobserver_->tokens.lost()) return std::nullopt;
    pollfd readable{jobserver_->tokens.read_fd(), POLLIN, 0};
    poll(&readable, 1, -1);
  }
}

}  // namespace jobslots
