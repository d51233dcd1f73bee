#include "jobslots/client.h"

#include <utility>

#include "core/slot.h"
#include "system/wait.h"

namespace jobslots {

struct Client::Jobserver : Slot::Giver {
  explicit Jobserver(TokenSource source) : tokens(std::move(source)) {}

  void take_back(std::optional<char> token) override {
    if (!token) {
      implicit_in_use = false;
      return;
    }
    while (!tokens.try_return(*token)) wait_for_either({tokens.write_fd(), POLLOUT, 0});
  }

  TokenSource tokens;
  bool implicit_in_use = false;
};

Result<Client> Client::from_environment() {
  auto tokens = TokenSource::from_environment();
  if (auto* why = std::get_if<Unavailable>(&tokens)) return std::move(*why);
  return Client(std::get<TokenSource>(std::move(tokens)));
}

Client::Client(TokenSource tokens) : jobserver_(std::make_shared<Jobserver>(std::move(tokens))) {}

std::optional<Slot> Client::try_acquire() {
  if (!jobserver_ || !jobserver_->is_mine()) return std::nullopt;
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
    wait_for_either({token_fd, POLLIN, 0}, {other_fd, POLLIN, 0});
  }
}

int Client::fd() const { return jobserver_ ? jobserver_->tokens.read_fd() : -1; }

bool Client::lost() const { return !jobserver_ || jobserver_->tokens.lost(); }

}  // namespace jobslots
