#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "system/poller.h"

namespace jobslots {

Result<Poller> Poller::create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) {
    return Unavailable{Reason::kSystem,
                       std::string("no epoll descriptor: ") + std::strerror(errno)};
  }
  return Poller(std::move(epoll));
}

void Poller::watch(int fd, Interest interest, Tag tag) {
  const auto known = watched_.find(fd);
  const Interest before = known == watched_.end() ? kNoInterest : known->second;
  if (interest == before) return;
  epoll_event event{};
  event.events = (interest.readable ? EPOLLIN : 0U) | (interest.writable ? EPOLLOUT : 0U) |
                 (interest.changes ? EPOLLET : 0U);
  event.data.u64 = tag;
  const int operation =
      interest.any() ? (before.any() ? EPOLL_CTL_MOD : EPOLL_CTL_ADD) : EPOLL_CTL_DEL;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  if (interest.any()) {
    watched_[fd] = interest;
  } else {
    watched_.erase(fd);
  }
}

std::vector<Poller::Tag> Poller::wait(std::optional<std::chrono::nanoseconds> limit) {
  using Milliseconds = std::chrono::duration<int, std::milli>;
  constexpr std::chrono::nanoseconds kLongest = Milliseconds::max();
  int timeout = -1;
  if (limit) {
    timeout = std::chrono::ceil<Milliseconds>(
                  std::clamp(*limit, std::chrono::nanoseconds(0), kLongest - Milliseconds(1)))
                  .count();
  }
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  if (count < 0 && errno != EINTR) {
    throw std::system_error(errno, std::generic_category(), "epoll_wait");
  }
  std::vector<Tag> tags;
  for (int i = 0; i < count; ++i) {
    const Tag tag = events.at(static_cast<std::size_t>(i)).data.u64;  // It may be misaligned there.
    tags.push_back(tag);
  }
  return tags;
}

}  // namespace jobslots
