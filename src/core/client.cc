#include "jobslots/client.h"

#include <poll.h>

#include <utility>

namespace jobslots {

Slot::Slot(Slot&& other) noexcept
    : client_(std::exchange(other.client_, nullptr)), token_(other.token_) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    give_back();
    client_ = std::exchange(other.client_, nullptr);
    token_ = other.token_;
  }
  return *this;
}

Slot::~Slot() { give_back(); }

void Slot::give_back() {
  if (Client* client = std::exchange(client_, nullptr)) client->give_back(token_);
}

Result<Client> Client::from_environment() {
  auto tokens = TokenSource::from_environment();
  if (auto* why = std::get_if<Unavailable>(&tokens)) return *why;
  return Client(std::get<TokenSource>(std::move(tokens)));
}

std::optional<Slot> Client::try_acquire() {
  if (!std::exchange(implicit_in_use_, true)) return Slot(this, std::nullopt);
  if (const auto token = tokens_.try_take()) return Slot(this, token);
  return std::nullopt;
}

std::optional<Slot> Client::acquire() {
  for (;;) {
    if (auto slot = try_acquire()) return slot;
    if (tokens_.lost()) return std::nullopt;
    pollfd readable{tokens_.read_fd(), POLLIN, 0};
    poll(&readable, 1, -1);
  }
}

void Client::give_back(std::optional<char> token) {
  if (!token) {
    implicit_in_use_ = false;
    return;
  }
  while (!tokens_.try_return(*token)) {
    pollfd writable{tokens_.write_fd(), POLLOUT, 0};
    poll(&writable, 1, -1);
  }
}

}  // namespace jobslots
