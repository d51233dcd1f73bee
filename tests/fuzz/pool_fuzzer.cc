/// A pool and all that its server does for it, played: clients, makes at its fifo and time are the
/// input's.
///
/// The input is a text with an event a line, so that a finding can be read. Its first line says of
/// what kind the clients 0, 1 and 2 are: (r) never reads; else ordinary; and whether the pool
/// follows one that was killed (f) or not. Then, with the client's number:
///
///     0+        connects anew
///     0>TEXT    sends a packet
///     0#TEXT    sends forty packets
///     0-        closes its connection
///     0t5       five milliseconds pass; 0s5: five seconds
///     0<  0=    a make opens the fifo, and takes a token if there is one; puts one back
///     0(  0)    a make opens the fifo; all makes end, those that have tokens are killed
///     0!        a make that has tokens is killed, others live on
///     0e        the processes end for whose sake the pool stays
///
/// What follows from a line is carried out before the next one; later where it ends with "&". A
/// fourth client, which does all as it should, must be served in the end, and nothing may be lost.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "check.h"
#include "pool/pool.h"
#include "script.h"

namespace jobslots::fuzz {
namespace {

constexpr unsigned kJobSlots = 3;
constexpr int kPacketsOfAFullSocket = 10;
constexpr int kWakeUpsLimit = 50;  ///< Of one line: then time jumps.

/// The fifo, and what makes do with it.
class Fifo : public PoolStore {
 public:
  std::size_t count() const override { return tokens; }
  bool others() const override { return open; }
  bool try_take() override { return tokens > 0 && tokens-- > 0; }
  void put(std::size_t count) override { tokens += count; }

  std::size_t tokens = 0;
  bool open = false;
  std::size_t taken = 0;  ///< By makes that live.
  std::size_t dead = 0;   ///< With makes.
};

struct Client {
  bool never_reads = false;
  std::optional<Pool::ClientId> id;  ///< While it is connected.
  pool::Hello hello{};
  bool is_welcome = false;
  std::size_t total = 0;
  std::size_t spare = 0;
  std::size_t held = 0;
  std::size_t asked_back = 0;
  std::size_t unanswered = 0;  ///< Wants.
  int unread = 0;              ///< Packets that lie in its connection.

  bool waits(std::size_t free) const { return total > held && free > spare; }
};

class World {
 public:
  explicit World(std::string_view script) : script_(script) {
    const std::string_view kinds = script_.next_text();
    for (std::size_t i = 0; i < bad_.size(); ++i) {
      bad_.at(i).never_reads = i < kinds.size() && kinds[i] == 'r';
    }
    const bool follows_another = kinds.find('f') != std::string_view::npos;
    if (follows_another) {
      grace_until_ = now_ + Pool::kGrace;
      fifo_.tokens = kJobSlots;
    }
    pool_.emplace(kJobSlots, "/fifo", follows_another, now_);
    connect(good_);
    say(good_, "hello 1 program 1 0");
    settle();
  }

  void run() {
    while (!script_.over()) play_line();
    settle();
    play_end();
  }

 private:
  void play_line();
  void play(Client& client, char verb, std::string_view text);
  void connect(Client& client);
  void say(Client& client, std::string_view text);
  void close(Client& client);
  void pass(Pool::Time time);

  void settle();
  void carry_out(const Pool::Send& send);
  void carry_out(const Pool::Drop& drop);
  void carry_out(const Pool::Watch& watch) { watched_.insert(watch.process); }
  void check_state();
  std::size_t held() const;
  void play_end();

  // What the pool says.
  void hear(Client& client, const pool::Welcome& welcome);
  void hear(Client& client, const pool::Grant& grant);
  void hear(Client& client, const pool::Settled& settled);
  void hear(Client& client, const pool::Yield& yield);
  void hear(Client&, const pool::Refused&) {}
  void hear(Client&, const pool::Described& client) { check_json(client.json); }
  void hear(Client&, const pool::Summary& pool) { check_json(pool.json); }
  static void check_json(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      check(nlohmann::json::accept(line), "what is described is JSON");
    }
  }

  Script script_;
  std::array<Client, 3> bad_;
  Client good_;
  Fifo fifo_;
  std::optional<Pool> pool_;
  std::map<Pool::ClientId, Client*> connections_;
  std::set<pid_t> watched_;
  Pool::Time now_{std::chrono::hours(1)};
  Pool::Time grace_until_{};
  bool somebody_was_lost_ = false;  ///< As a message could not be sent.
  bool all_honest_ = true;          ///< Nobody has claimed slots.
};

void World::play_line() {
  const Line line = script_.next(bad_.size());
  if (const auto& event = line.event) play(bad_.at(event->client), event->verb, event->text);
  if (!line.at_once) settle();
}

void World::play(Client& client, char verb, std::string_view text) {
  const auto number = text.empty() ? 1 : static_cast<unsigned char>(text[0]);
  switch (verb) {
    case '+':
      connect(client);
      break;
    case '>':
      say(client, text);
      break;
    case '#':
      for (int i = 0; i < 40; ++i) say(client, text);
      break;
    case '-':
      close(client);
      break;
    case 't':
      pass(std::chrono::milliseconds(number));
      break;
    case 's':
      pass(std::chrono::seconds(number));
      break;
    case '(':
      fifo_.open = true;
      break;
    case '<':
      fifo_.open = true;
      if (fifo_.try_take()) ++fifo_.taken;
      break;
    case '=':
      if (fifo_.taken == 0) break;
      --fifo_.taken;
      fifo_.put(1);
      break;
    case ')':
      fifo_.open = false;
      fifo_.dead += std::exchange(fifo_.taken, 0);
      break;
    case '!':
      if (fifo_.taken == 0) break;
      --fifo_.taken;
      ++fifo_.dead;
      break;
    case 'e':
      for (const pid_t process : std::exchange(watched_, {})) pool_->process_ended(process);
      break;
    default:
      break;
  }
}

void World::connect(Client& client) {
  close(client);
  client = Client{.never_reads = client.never_reads};
  client.id = pool_->connected(1);
  check(connections_.emplace(*client.id, &client).second, "numbers are given once");
}

void World::say(Client& client, std::string_view text) {
  if (!client.id) return;
  const auto message = pool::parse_from_client(text);
  if (message) {
    check(pool::to_packet(*message) == text, "what is read is written the same");
    if (const auto* hello = std::get_if<pool::Hello>(&*message)) {
      if (!client.is_welcome) client.hello = *hello;
    } else if (const auto* want = std::get_if<pool::Want>(&*message)) {
      const bool has_slots = client.hello.role != pool::Hello::Role::kObserver;
      client.total = has_slots ? want->total : 0;
      client.spare = want->spare;
      ++client.unanswered;
    } else if (const auto* back = std::get_if<pool::Back>(&*message)) {
      const std::size_t given = std::min(back->count, client.held);
      client.held -= given;
      client.asked_back -= std::min(client.asked_back, given);
    }
  }
  // Whether it is welcome is known at once: the rest of what it says depends on that.
  pool_->said(*client.id, text, now_);
  if (message && std::holds_alternative<pool::Hello>(*message) && !client.is_welcome &&
      client.hello.version == pool::kVersion) {
    client.is_welcome = true;
    if (client.hello.role != pool::Hello::Role::kObserver) client.held = client.hello.held;
    if (client.held > 0) all_honest_ = false;
  }
}

void World::close(Client& client) {
  if (client.id) pool_->hung_up(*client.id, now_);
}

/// The server sleeps until the pool is to be asked again.
void World::pass(Pool::Time time) {
  const Pool::Time end = now_ + time;
  settle();
  for (int i = 0; i < kWakeUpsLimit && pool_->again() && *pool_->again() <= end; ++i) {
    now_ = *pool_->again();
    settle();
  }
  now_ = end;
}

/// As the server does after each event.
void World::settle() {
  do {
    somebody_was_lost_ = false;
    pool_->settle(fifo_, now_);
    if (!fifo_.open && now_ >= grace_until_) fifo_.dead = 0;
    while (const auto effect = pool_->next_effect()) {
      std::visit([this](const auto& one) { carry_out(one); }, *effect);
    }
  } while (somebody_was_lost_);
  check_state();
}

void World::carry_out(const Pool::Send& send) {
  const auto connection = connections_.find(send.client);
  check(connection != connections_.end(), "nothing is said to who is forgotten");
  Client& client = *connection->second;
  const std::string packet = pool::to_packet(send.message);
  check(packet.size() <= pool::kAnswerLimit, "packets have a limit");
  check(pool::parse_to_client(packet).has_value(), "what is written can be read");
  if (client.never_reads && ++client.unread > kPacketsOfAFullSocket) {
    pool_->undelivered(send.client, now_);
    somebody_was_lost_ = true;
  } else if (client.id == send.client) {
    std::visit([&](const auto& message) { hear(client, message); }, send.message);
  }
}

void World::carry_out(const Pool::Drop& drop) {
  const auto connection = connections_.find(drop.client);
  check(connection != connections_.end(), "a client is forgotten once");
  Client& client = *connection->second;
  if (client.id == drop.client) client = Client{.never_reads = client.never_reads};
  connections_.erase(connection);
}

void World::hear(Client& client, const pool::Welcome& welcome) {
  check(client.is_welcome, "who says hello is welcome");
  check(welcome.job_slots == kJobSlots, "N is said");
}

void World::hear(Client& client, const pool::Grant& grant) {
  client.held += grant.count;
  check(client.held <= client.total, "no more is granted than is wanted");
}

void World::hear(Client& client, const pool::Settled&) {
  check(client.unanswered > 0, "who has asked is answered, once each time");
  --client.unanswered;
}

void World::hear(Client& client, const pool::Yield& yield) {
  client.asked_back += yield.count;
  check(client.asked_back <= client.held, "no more is asked back than is held");
}

std::size_t World::held() const {
  std::size_t sum = good_.held;
  for (const Client& client : bad_) sum += client.held;
  return sum;
}

void World::check_state() {
  check(good_.id.has_value(), "who does as it should is not thrown out");
  check(!pool_->again() || *pool_->again() > now_, "the pool falls asleep");
  if (now_ < grace_until_) {
    check(pool_->again() && *pool_->again() <= grace_until_, "the pool wakes up after its grace");
    return;
  }
  const std::size_t most = std::max<std::size_t>(kJobSlots, held());
  check(held() + fifo_.tokens <= most, "there are never more than N");
  if (!fifo_.open) check(held() + fifo_.tokens == most, "no slot is lost");
  if (all_honest_) {
    check(held() + fifo_.tokens + fifo_.taken + fifo_.dead == kJobSlots,
          "no slot is lost or made while makes have some");
  }
  const auto is_served = [this](const Client& client) {
    check(!client.id || client.unanswered == 0, "each want is answered");
    const bool soon = pool_->again() && *pool_->again() <= now_ + Pool::kCourtesyPause;
    check(!client.waits(fifo_.tokens) || soon, "nobody waits while a slot is free for it");
  };
  std::ranges::for_each(bad_, is_served);
  is_served(good_);
  const bool somebody_waits =
      good_.waits(good_.spare + 1) ||
      std::ranges::any_of(bad_, [](const Client& one) { return one.waits(one.spare + 1); });
  if (fifo_.tokens == 0 && good_.waits(1)) {
    check(pool_->wants_token() || pool_->again(), "who waits is told of a token");
  }
  if (!somebody_waits) check(!pool_->wants_token(), "no token is watched for nobody");
}

/// The input has ended: all go, and the good client is served.
void World::play_end() {
  while (fifo_.taken > 0) play(bad_.front(), '=', "");
  play(bad_.front(), ')', "");
  for (Client& client : bad_) close(client);
  play(bad_.front(), 'e', "");
  say(good_, "want 3 0");
  settle();
  pass(Pool::kGrace + Pool::kCourtesyPause);
  settle();
  check(good_.held == kJobSlots, "who does as it should is served");
  say(good_, "want 0 0");
  say(good_, "back 3");
  settle();
  check(fifo_.tokens == kJobSlots, "all slots are back when nobody works");
  check(!pool_->idle(), "a pool with clients is in use");
  close(good_);
  pool_->settle(fifo_, now_);
  check(pool_->idle(), "a pool without clients is not");
}

}  // namespace
}  // namespace jobslots::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  jobslots::fuzz::World(std::string_view(reinterpret_cast<const char*>(data), size)).run();
  return 0;
}
