#include "jobslots/pool_client.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/slot.h"
#include "pool/connection.h"
#include "pool/member.h"
#include "system/wait.h"

namespace jobslots {
namespace {

pool::Hello hello_of(const PoolMember& member, std::size_t held) {
  return {.role = member.role, .weight = member.weight, .held = held};
}

}  // namespace

struct PoolClient::State : Slot::Giver {
  State(PoolPlace where, PoolMember who, PoolConnection connected)
      : place(std::move(where)), member(std::move(who)), pool(std::move(connected)) {
    introduce();
  }

  void take_back(std::optional<char>) override {
    --out;
    // First: or the pool might grant it to this client again.
    want({wanted.total - std::min<std::size_t>(wanted.total, 1), wanted.spare});
    give_back(1);
  }

  void introduce();
  void want(pool::Want now_wanted);
  void give_back(std::size_t count);
  void hear(const pool::ToClient& message);

  PoolPlace place;
  PoolMember member;
  PoolConnection pool;
  std::size_t held = 0;
  std::size_t out = 0;  ///< Of these, those that are in Slots.
  std::size_t asked_back = 0;
  std::size_t free = 0;
  pool::Want wanted;          ///< What the pool was told last.
  std::size_t unsettled = 0;  ///< How many wants are not answered.
};

void PoolClient::State::introduce() {
  if (!member.title.empty()) pool.send(pool::Title{member.title});
  if (!member.folder.empty()) pool.send(pool::Folder{member.folder});
  if (!member.socket.empty()) pool.send(pool::Socket{member.socket});
  unsettled = asked_back = 0;
  if (wanted != pool::Want()) want(std::exchange(wanted, {}));
}

void PoolClient::State::want(pool::Want now_wanted) {
  if (now_wanted == wanted) return;
  wanted = now_wanted;
  if (pool.lost()) return;  // The next pool is told.
  ++unsettled;
  pool.send(wanted);
}

void PoolClient::State::give_back(std::size_t count) {
  count = std::min(count, held - out);
  if (count == 0) return;
  held -= count;
  asked_back -= std::min(asked_back, count);
  if (!pool.lost()) pool.send(pool::Back{count});
}

void PoolClient::State::hear(const pool::ToClient& message) {
  if (const auto* grant = std::get_if<pool::Grant>(&message)) {
    free = grant->free;
    held += grant->count;
    if (held > wanted.total) give_back(std::min(grant->count, held - wanted.total));
  } else if (const auto* settled = std::get_if<pool::Settled>(&message)) {
    free = settled->free;
    unsettled -= std::min<std::size_t>(unsettled, 1);
  } else if (const auto* yield = std::get_if<pool::Yield>(&message)) {
    asked_back = std::min(asked_back + yield->count, held);
  }
}

Result<PoolClient> PoolClient::connect(std::string_view pool, std::string title,
                                       std::chrono::milliseconds patience) {
  auto place = PoolPlace::named(pool, std::getenv);
  if (auto* why = std::get_if<Unavailable>(&place)) return std::move(*why);
  std::error_code unknown;
  return connect(std::get<PoolPlace>(std::move(place)),
                 {.weight = weight_here(),
                  .title = std::move(title),
                  .folder = std::filesystem::current_path(unknown).string()},
                 patience);
}

Result<PoolClient> PoolClient::connect(PoolPlace place, PoolMember member,
                                       std::chrono::milliseconds patience) {
  auto pool = PoolConnection::open(place, hello_of(member, 0), false, patience);
  if (auto* why = std::get_if<Unavailable>(&pool)) return std::move(*why);
  return PoolClient(std::make_shared<State>(std::move(place), std::move(member),
                                            std::get<PoolConnection>(std::move(pool))));
}

PoolClient::PoolClient(std::shared_ptr<State> state) : state_(std::move(state)) {}

PoolClient& PoolClient::operator=(PoolClient&& other) noexcept {
  if (this != &other) {
    leave();
    state_ = std::move(other.state_);
  }
  return *this;
}

PoolClient::~PoolClient() { leave(); }

/// Only the slots that are out are of use any more.
void PoolClient::leave() {
  if (State* const state = mine(); state != nullptr && state->out > 0) {
    state->want({state->out, 0});
    state->give_back(state->held);
  }
  state_.reset();
}

PoolClient::State* PoolClient::mine() const {
  return state_ && state_->is_mine() ? state_.get() : nullptr;
}

unsigned PoolClient::job_slots() const { return state_->pool.welcome().job_slots; }

const std::string& PoolClient::directory() const { return state_->place.directory; }

std::optional<Slot> PoolClient::try_acquire() {
  receive();
  State* const state = mine();
  if (state == nullptr || state->held == state->out) return std::nullopt;
  ++state->out;
  return Slot(state_, '+');
}

std::optional<Slot> PoolClient::acquire(int other_fd) {
  State* const state = mine();
  if (state == nullptr) return std::nullopt;
  for (;;) {
    if (state->wanted.total <= state->out) want(state->out + 1, state->wanted.spare);
    if (auto slot = try_acquire()) return slot;
    if (lost() && reconnect()) return std::nullopt;
    if (is_readable(other_fd)) return std::nullopt;
    wait_for_either({fd(), POLLIN, 0}, {other_fd, POLLIN, 0});
  }
}

void PoolClient::want(std::size_t total, std::size_t spare) {
  if (State* const state = mine()) state->want({total, spare});
}

int PoolClient::fd() const { return state_ ? state_->pool.fd() : -1; }

void PoolClient::receive() {
  State* const state = mine();
  if (state == nullptr) return;
  while (const auto message = state->pool.receive()) state->hear(*message);
  if (state->pool.lost()) state->asked_back = state->free = 0;
}

std::size_t PoolClient::held() const { return state_ ? state_->held : 0; }

std::size_t PoolClient::asked_back() const { return state_ ? state_->asked_back : 0; }

void PoolClient::give_back(std::size_t count) {
  if (State* const state = mine()) state->give_back(count);
}

bool PoolClient::is_settled(std::size_t total, std::size_t spare) const {
  return state_ && state_->unsettled == 0 && state_->wanted == pool::Want{total, spare};
}

std::size_t PoolClient::free() const { return state_ ? state_->free : 0; }

bool PoolClient::lost() const { return !state_ || state_->pool.lost(); }

std::optional<Unavailable> PoolClient::reconnect(std::chrono::milliseconds patience) {
  State* const state = mine();
  if (state == nullptr) return Unavailable{Reason::kSystem, "another process has this client"};
  auto pool =
      PoolConnection::open(state->place, hello_of(state->member, state->held), true, patience);
  if (auto* why = std::get_if<Unavailable>(&pool)) return std::move(*why);
  state->pool = std::get<PoolConnection>(std::move(pool));
  state->introduce();
  return std::nullopt;
}

bool PoolClient::answered() const { return state_ && state_->unsettled == 0; }

void PoolClient::abandon() {
  if (State* const state = mine()) state->pool.abandon();
}

void PoolClient::assume_slot() {
  State* const state = mine();
  if (state != nullptr && lost()) ++state->held;
}

void PoolClient::set_title(std::string title) {
  State* const state = mine();
  if (state == nullptr) return;
  state->member.title = std::move(title);
  state->pool.send(pool::Title{state->member.title});
}

void PoolClient::set_socket(std::string path) {
  State* const state = mine();
  if (state == nullptr) return;
  state->member.socket = std::move(path);
  state->pool.send(pool::Socket{state->member.socket});
}

}  // namespace jobslots
