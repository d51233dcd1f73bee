#include "broker/pool_source.h"

#include <algorithm>
#include <utility>

namespace jobslots {
namespace {

/// There is but one kind of token in a pool.
constexpr char kToken = '+';

/// Between two tries to reach a pool that has gone, and how long one of them may take.
constexpr std::chrono::milliseconds kConnectPause{200};
constexpr std::chrono::milliseconds kConnectPatience{500};

std::size_t spare(const SlotSource::Need& need) {
  return need.of == SlotSource::Need::Of::kSpareTokens ? need.spare : 0;
}

}  // namespace

void PoolSource::watch(const Need& need, Time now) {
  if (pool_.lost()) {
    lose(now);
    return;
  }
  poller_.watch(pool_.fd(), kReadable, tag_);
  pool_.want(wanted(need), spare(need));
  give_back(in_hand());  // The session has taken what is of use to it.
}

void PoolSource::look(Time now) {
  if (!connect_again_) {
    pool_.receive();
    if (pool_.lost()) lose(now);
  } else if (now >= *connect_again_) {
    connect_again_ =
        pool_.reconnect(kConnectPatience) ? std::optional(now + kConnectPause) : std::nullopt;
  }
}

std::size_t PoolSource::free(const Need& need) const {
  return need.of == Need::Of::kSpareTokens ? in_hand() + pool_.free() : in_hand();
}

bool PoolSource::is_settled(const Need& need) const {
  return connect_again_ || pool_.is_settled(wanted(need), spare(need));
}

std::optional<char> PoolSource::try_take() {
  if (in_hand() == 0) return std::nullopt;
  ++taken_;
  return kToken;
}

std::size_t PoolSource::take_asked_back() {
  const std::size_t known = std::exchange(told_, pool_.asked_back());
  return told_ - std::min(told_, known);
}

void PoolSource::give_back(char) {
  --taken_;
  give_back(std::size_t{1});
}

void PoolSource::give_back(std::size_t count) {
  pool_.give_back(count);
  told_ = std::min(told_, pool_.asked_back());
}

void PoolSource::lose(Time now) {
  if (connect_again_) return;
  poller_.unwatch(pool_.fd());
  give_back(in_hand());  // What was granted and not taken dies with the pool.
  connect_again_ = now;
  note_ = "the pool in " + pool_.directory() + " has gone: " + std::to_string(taken_) +
          " job slots are kept, and another pool is started";
}

}  // namespace jobslots
