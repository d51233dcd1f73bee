#include "broker/token_exchange.h"

#include <poll.h>

#include <chrono>
#include <limits>

namespace jobslots {

/// While nothing is wanted the jobserver is not watched at all: tokens that are there for others
/// would keep this process awake. While a worker waits, any token will do; while one is to be
/// started, those that are there may have to stay for others, and only a change counts.
void TokenExchange::watch(const Need& need, Time) {
  Interest interest;
  interest.readable = need.of != Need::Of::kNothing && !source_.lost();
  interest.changes = need.of == Need::Of::kSpareTokens;
  const bool writable = !returning_.empty();
  if (source_.write_fd() == source_.read_fd()) {
    interest.writable = writable;
  } else {
    poller_.watch(source_.write_fd(), {.writable = writable}, tag_);
  }
  poller_.watch(source_.read_fd(), interest, tag_);
}

std::size_t TokenExchange::free(const Need& need) const {
  if (need.of == Need::Of::kNothing) return 0;
  // To read is as quick as to count.
  if (need.of == Need::Of::kAnyToken) return std::numeric_limits<std::size_t>::max();
  if (const auto number = count()) return *number + returning_.size();
  pollfd readable{source_.read_fd(), POLLIN, 0};  // A device that cannot count.
  return poll(&readable, 1, 0) == 1 ? 1 : 0;
}

std::optional<std::size_t> TokenExchange::count() const {
  const auto number = source_.tokens_available();
  return number ? std::optional(static_cast<std::size_t>(*number)) : std::nullopt;
}

std::optional<char> TokenExchange::try_take() {
  if (returning_.empty()) return source_.try_take();
  const char token = returning_.back();
  returning_.pop_back();
  return token;
}

void TokenExchange::give_back(char token) {
  returning_ += token;
  return_tokens();
}

void TokenExchange::return_tokens() {
  while (!returning_.empty() && source_.try_return(returning_.back())) returning_.pop_back();
}

void TokenExchange::look(Time) { return_tokens(); }

void TokenExchange::finish() {
  constexpr std::chrono::milliseconds kLimit{5000};
  const auto end = std::chrono::steady_clock::now() + kLimit;
  for (return_tokens(); !all_returned() && std::chrono::steady_clock::now() < end;
       return_tokens()) {
    pollfd writable{source_.write_fd(), POLLOUT, 0};
    poll(&writable, 1, static_cast<int>(kLimit.count()));
  }
}

}  // namespace jobslots
