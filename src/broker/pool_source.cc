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

}  // namespace

PoolSource::PoolSource(Poller& poller, Poller::Tag tag, PoolPlace place, PoolConnection pool,
                       SessionInPool session)
    : poller_(poller),
      tag_(tag),
      place_(std::move(place)),
      pool_(std::move(pool)),
      session_(std::move(session)) {
  introduce();
}

void PoolSource::watch(const Need& need, Time now) {
  if (pool_.lost()) {
    lose(now);
    return;
  }
  poller_.watch(pool_.fd(), kReadable, tag_);
  if (const pool::Want want = want_for(need); want != wanted_) {
    wanted_ = want;
    ++unsettled_;
    pool_.send(want);
  }
  // The session has taken what is of use to it.
  if (in_hand_ > 0) pool_.send(pool::Back{std::exchange(in_hand_, 0)});
}

void PoolSource::look(Time now) {
  if (!connect_again_) {
    while (const auto message = pool_.receive()) hear(*message);
    if (pool_.lost()) lose(now);
    return;
  }
  if (now < *connect_again_) return;
  auto pool = PoolConnection::open(
      place_, {.role = pool::Hello::Role::kSession, .weight = session_.weight, .held = taken_},
      true, kConnectPatience);
  if (auto* connected = std::get_if<PoolConnection>(&pool)) {
    pool_ = std::move(*connected);
    connect_again_.reset();
    introduce();
  } else {
    connect_again_ = now + kConnectPause;
  }
}

std::size_t PoolSource::free(const Need& need) const {
  return need.of == Need::Of::kSpareTokens ? in_hand_ + free_ : in_hand_;
}

bool PoolSource::is_settled(const Need& need) const {
  return connect_again_ || (unsettled_ == 0 && want_for(need) == wanted_);
}

std::optional<char> PoolSource::try_take() {
  if (in_hand_ == 0) return std::nullopt;
  --in_hand_;
  ++taken_;
  return kToken;
}

void PoolSource::give_back(char) {
  --taken_;
  if (!connect_again_) pool_.send(pool::Back{1});
}

void PoolSource::set_title(const std::string& title) {
  session_.title = title;
  pool_.send(pool::Title{title});
}

pool::Want PoolSource::want_for(const Need& need) const {
  return {taken_ + need.tokens, need.of == Need::Of::kSpareTokens ? need.spare : 0};
}

void PoolSource::introduce() {
  if (!session_.title.empty()) pool_.send(pool::Title{session_.title});
  if (!session_.folder.empty()) pool_.send(pool::Folder{session_.folder});
  if (!session_.socket.empty()) pool_.send(pool::Socket{session_.socket});
  wanted_ = {};
  unsettled_ = 0;
}

void PoolSource::lose(Time now) {
  if (connect_again_) return;
  poller_.unwatch(pool_.fd());
  // What was granted and not taken dies with the pool.
  in_hand_ = free_ = asked_back_ = 0;
  connect_again_ = now;
  note_ = "the pool in " + place_.directory + " has gone: " + std::to_string(taken_) +
          " job slots are kept, and another pool is started";
}

void PoolSource::hear(const pool::ToClient& message) {
  if (const auto* grant = std::get_if<pool::Grant>(&message)) {
    in_hand_ += grant->count;
    free_ = grant->free;
  } else if (const auto* settled = std::get_if<pool::Settled>(&message)) {
    free_ = settled->free;
    unsettled_ -= std::min<std::size_t>(unsettled_, 1);
  } else if (const auto* yield = std::get_if<pool::Yield>(&message)) {
    asked_back_ += yield->count;
  }
}

}  // namespace jobslots
