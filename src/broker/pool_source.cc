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

/// How long to wait for an answer, or for another pool, before the session goes on without.
/// As long as at its start: that a machine is slow is no reason to run more on it.
constexpr PoolSource::Time kPatience = PoolClient::kPatience;

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
  if (pool_.answered()) {
    unanswered_since_.reset();
  } else if (!unanswered_since_) {
    unanswered_since_ = now;
  }
}

void PoolSource::look(Time now) {
  if (!connect_again_) {
    pool_.receive();
    const bool answers = pool_.answered() || !unanswered_since_;
    if (!answers && now >= *unanswered_since_ + kPatience) pool_.abandon();
    if (pool_.lost()) lose(now);
  } else if (now >= *connect_again_) {
    connect(now);
  }
}

std::optional<PoolSource::Time> PoolSource::again() const {
  if (connect_again_) return connect_again_;
  return unanswered_since_ ? std::optional(*unanswered_since_ + kPatience) : std::nullopt;
}

void PoolSource::connect(Time now) {
  const auto why = pool_.reconnect(kConnectPatience);
  if (!why) {
    connect_again_.reset();
    unanswered_since_.reset();
    alone_ = false;
    return;
  }
  // Each try to reach one that is there and does not answer takes its time.
  const Time lost_for = now - lost_since_;
  connect_again_ = now + std::clamp<Time>(lost_for / 4, kConnectPause, kPatience);
  if (alone_ || lost_for < kPatience) return;
  alone_ = true;
  if (pool_.held() > 0) return;
  pool_.assume_slot();
  note_ = why->finding() + ": this session goes on with one job slot";
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
  if (alone_ && pool_.held() == 0) pool_.assume_slot();
  told_ = std::min(told_, pool_.asked_back());
}

void PoolSource::lose(Time now) {
  if (connect_again_) return;
  const bool unanswered = unanswered_since_ && now >= *unanswered_since_ + kPatience;
  poller_.unwatch(pool_.fd());
  give_back(in_hand());  // What was granted and not taken dies with the pool.
  connect_again_ = now;
  lost_since_ = unanswered ? *unanswered_since_ : now;
  note_ = "the pool in " + pool_.directory() + (unanswered ? " does not answer: " : " has gone: ") +
          std::to_string(taken_) + " job slots are kept" +
          (unanswered ? "" : ", and another pool is started");
}

}  // namespace jobslots
