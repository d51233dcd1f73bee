/// A session and all that its broker does for it, played: clients, tokens and time are the input's.
///
/// The input is a text with an event a line, so that a finding can be read. Its first line says of
/// what kind the clients 0, 1 and 2 and the controller 3 are: (n) not watched, (r) never reads,
/// (z) of another pid namespace; else ordinary. Then, with the client's number:
///
///     0+        connects, from a new process where the one before has died
///     0~gw0     is a remote worker, for which the controller connects and says hello
///     0>TEXT    sends a packet ("|" stands for a newline)
///     0*TEXT    sends a packet with the text forty times
///     0#TEXT    sends forty packets
///     0-        closes its connection
///     0x  0o    dies; dies while a child of it keeps its connection open
///     0t5       five milliseconds pass; 0s5: five seconds
///     0j  0k    the implicit slot is lost; is the session's again
///     0<  0=    a neighbour takes a token; returns it
///     0!        the next trace cannot be opened, or ends
///
/// What follows from a line is carried out before the next one; later where it ends with "&". A
/// fourth client, which does all as it should, must be served in the end, with the others still
/// there as far as there are slots, and nothing may be lost.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "check.h"
#include "script.h"
#include "session/session.h"

namespace jobslots::fuzz {
namespace {

constexpr unsigned kJobSlots = 3;
constexpr std::size_t kTokens = kJobSlots - 1;
constexpr std::size_t kBadClients = 3;
constexpr int kPacketsOfAFullSocket = 10;
constexpr int kRoundsLimit = 1'000;  ///< Of settling, without anything new to do.

enum class Kind { kOrdinary, kNotWatched, kNeverReads, kOtherNamespace };

Kind kind_of(char c) {
  switch (c) {
    case 'n':
      return Kind::kNotWatched;
    case 'r':
      return Kind::kNeverReads;
    case 'z':
      return Kind::kOtherNamespace;
    default:
      return Kind::kOrdinary;
  }
}

/// A process and its connection.
struct Client {
  Kind kind = Kind::kOrdinary;
  long pid = 0;
  bool alive = false;
  std::optional<Session::ClientId> id;  ///< While it is connected.
  bool kept_by_a_child = false;         ///< The connection, beyond the process's death.
  int grants = 0;                       ///< That it has read from this connection.
  int dones = 0;                        ///< That it has sent.
  int unread = 0;                       ///< Packets that lie in its connection.

  bool watched() const { return kind == Kind::kOrdinary || kind == Kind::kNeverReads; }
  /// Whether it has a slot for certain.
  bool holds() const { return alive && grants > dones; }
};

class World {
 public:
  explicit World(std::string_view script) : script_(script) {
    const std::string_view kinds = script_.next_text();
    const auto kind = [kinds](std::size_t i) { return kind_of(i < kinds.size() ? kinds[i] : 0); };
    for (std::size_t i = 0; i < bad_.size(); ++i) bad_.at(i).kind = kind(i);
    controller_ = {kind(bad_.size()), 1, true, Session::kController};
    session_.emplace(connecting(controller_), kJobSlots);
    connect_good();
  }

  void run() {
    while (!script_.over() && !session_->over()) play_line();
    settle();
    if (!session_->over()) play_end();
    check(nlohmann::json::accept(trace_ + "]"), "the trace is JSON");
  }

 private:
  void play_line();
  void play(Client& client, char verb, std::string_view text);
  void connect(Client& client);
  void connect_good();
  void connect_remote(Client& client, std::string_view name);
  void add_connection(Client& client);
  void say(Client& client, std::string_view text);
  void close(Client& client);
  void die(Client& client);
  /// The client is a remote worker: its life is that of its connection.
  bool is_remote(const Client& client) const {
    return &client != &controller_ && client.pid == controller_.pid;
  }
  Session::Process connecting(const Client& client) const {
    const Client& peer = is_remote(client) ? controller_ : client;
    return {peer.kind == Kind::kOtherNamespace ? 0 : peer.pid, peer.watched()};
  }

  void settle();
  void carry_out(const Session::Send& send);
  void carry_out(const Session::HangUp& hang_up);
  void carry_out(const Session::Drop& drop);
  void carry_out(const Session::Interrupt& interrupt);
  void carry_out(const Session::Kill& kill);
  void carry_out(const Session::Examine& examine);
  void carry_out(const Session::Return& token) { make_.push_back(token.token); }
  void carry_out(const Session::SetTitle&) {}
  void carry_out(const Session::OpenTrace& trace);
  void check_state();
  void play_end();

  struct Connection {
    Client* client;
    bool open = true;
  };

  Script script_;
  std::array<Client, kBadClients> bad_;
  Client controller_;
  Client good_;
  std::optional<Session> session_;
  std::map<Session::ClientId, Connection> connections_{{Session::kController, {&controller_}}};
  std::deque<char> make_{'a', 'b'};
  std::deque<char> neighbours_;
  std::chrono::nanoseconds now_{std::chrono::hours(1)};
  long last_pid_ = 1;
  bool has_implicit_slot_ = true;
  bool controller_said_bye_ = false;
  bool controller_told_dead_ = false;
  bool trace_fails_ = false;
  bool examine_known_ = false;
  std::string trace_ = "[";
};

void World::play_line() {
  const Line line = script_.next(kBadClients + 1);
  if (const auto& event = line.event) {
    Client& client = event->client == kBadClients ? controller_ : bad_.at(event->client);
    play(client, event->verb, event->text);
  }
  if (!line.at_once) settle();
}

void World::play(Client& client, char verb, std::string_view text) {
  std::string repeated;
  switch (verb) {
    case '+':
      if (&client != &controller_) connect(client);
      break;
    case '~':
      if (&client != &controller_) connect_remote(client, text);
      break;
    case '>':
      say(client, text);
      break;
    case '*':
      for (int i = 0; i < 40; ++i) repeated += text;
      say(client, repeated);
      break;
    case '#':
      for (int i = 0; i < 40; ++i) say(client, text);
      break;
    case '-':
      close(client);
      break;
    case 'x':
      close(client);
      die(client);
      break;
    case 'o':
      client.kept_by_a_child = client.id.has_value();
      die(client);
      break;
    case 't':
      now_ += std::chrono::milliseconds(text.empty() ? 1 : static_cast<unsigned char>(text[0]));
      break;
    case 's':
      now_ += std::chrono::seconds(text.empty() ? 1 : static_cast<unsigned char>(text[0]));
      break;
    case 'j':
      if (std::exchange(has_implicit_slot_, false)) session_->implicit_slot_lost(now_);
      break;
    case 'k':
      if (controller_told_dead_) break;
      has_implicit_slot_ = true;
      session_->implicit_slot_gained(now_);
      break;
    case '<':
      if (make_.empty()) break;
      neighbours_.push_back(make_.front());
      make_.pop_front();
      break;
    case '=':
      if (neighbours_.empty()) break;
      make_.push_back(neighbours_.front());
      neighbours_.pop_front();
      break;
    case '!':
      trace_fails_ = true;
      if (session_->tracing()) session_->trace_ended("the disk is full");
      break;
    default:
      break;
  }
}

void World::connect(Client& client) {
  if (client.id) close(client);
  if (is_remote(client)) die(client);
  if (!client.alive) client.pid = ++last_pid_;
  add_connection(client);
}

void World::connect_good() {
  connect(good_);
  say(good_, "hello 1 worker good");
}

void World::connect_remote(Client& client, std::string_view name) {
  if (!controller_.alive) return;
  close(client);
  die(client);
  client.pid = controller_.pid;
  add_connection(client);
  say(client, "hello 1 remote " + std::string(name));
}

void World::add_connection(Client& client) {
  client.grants = client.dones = client.unread = 0;
  client.alive = true;
  client.kept_by_a_child = false;
  client.id = session_->connected(connecting(client));
  check(connections_.emplace(*client.id, Connection{&client}).second, "numbers are given once");
}

void World::say(Client& client, std::string_view text) {
  if (!client.alive || !client.id || !connections_.contains(*client.id) ||
      !connections_.at(*client.id).open) {
    return;
  }
  std::string packet(text.substr(0, kMessageLimit + 1));
  std::ranges::replace(packet, '|', '\n');
  if (packet == "done" || packet.starts_with("done ")) ++client.dones;
  if (&client == &controller_ && packet == "bye") controller_said_bye_ = true;
  session_->said(*client.id, packet, now_);
}

void World::close(Client& client) {
  if (!client.id) return;
  const Session::ClientId id = *client.id;
  client.id.reset();
  if (&client == &controller_ && !client.watched()) controller_told_dead_ = true;
  if (!client.watched() || is_remote(client)) client.grants = client.dones = 0;
  session_->hung_up(id, now_);
}

void World::die(Client& client) {
  if (!client.alive) return;
  client.alive = false;
  client.grants = client.dones = 0;
  if (is_remote(client)) return;
  if (&client == &controller_) {
    for (Client& other : bad_) {
      if (is_remote(other)) close(other);
    }
  }
  if (!client.watched()) return;
  if (&client == &controller_) controller_told_dead_ = true;
  // All connections of the process, as each has a watch of its own.
  std::vector<Session::ClientId> ids;
  for (const auto& [id, connection] : connections_) {
    if (connection.client == &client) ids.push_back(id);
  }
  for (const Session::ClientId id : ids) session_->gone(id, now_);
}

/// As the broker does after each event.
void World::settle() {
  int rounds = 0;
  for (bool more = true; more;) {
    check(++rounds < kRoundsLimit, "the broker falls asleep");
    more = false;
    while (const auto effect = session_->next_effect()) {
      more = true;
      std::visit([this](const auto& one) { carry_out(one); }, *effect);
    }
    const bool wanted = session_->need(now_).of != Ledger::Need::Of::kNothing;
    const std::size_t to_take = session_->settle(wanted ? make_.size() : 0, now_);
    check(to_take <= make_.size(), "no more is taken than there is");
    for (std::size_t i = 0; i < to_take; ++i) {
      more = true;
      const char token = make_.front();
      make_.pop_front();
      session_->token(token, now_);
    }
    if (session_->settle(0, now_) != 0) check(false, "nothing is taken from nothing");
  }
  session_->starts_settled();
  while (const auto effect = session_->next_effect()) {
    std::visit([this](const auto& one) { carry_out(one); }, *effect);
  }
  if (session_->tracing()) session_->record_free(make_.size(), now_);
  if (const std::string events = session_->take_trace(); !events.empty()) {
    trace_ += (trace_.size() > 1 ? "," : "") + events;
  }
  check_state();
}

void World::carry_out(const Session::Send& send) {
  const auto connection = connections_.find(send.client);
  check(connection != connections_.end(), "nothing is said to who is forgotten");
  if (!connection->second.open) {
    check(send.client == Session::kController, "nothing is said where nobody listens");
    return;
  }
  Client& client = *connection->second.client;
  const std::string packet = to_packet(send.message);
  const bool status = std::holds_alternative<message::Status>(send.message);
  check(packet.size() <= kMessageLimit + (status ? kStatusLimit : kMessageLimit),
        "packets have a limit");
  const bool gone = !client.alive || client.id != send.client;
  const bool full = client.kind == Kind::kNeverReads && ++client.unread > kPacketsOfAFullSocket;
  if (send.client != Session::kController && (gone || full)) {
    session_->undelivered(send, now_);
    return;
  }
  if (client.kind == Kind::kNeverReads) return;
  if (std::holds_alternative<message::Grant>(send.message)) ++client.grants;
}

void World::carry_out(const Session::HangUp& hang_up) {
  const auto connection = connections_.find(hang_up.client);
  check(connection != connections_.end() && connection->second.open, "a connection ends once");
  connection->second.open = false;
  if (connection->second.client->id == hang_up.client) connection->second.client->id.reset();
}

void World::carry_out(const Session::Drop& drop) {
  const auto connection = connections_.find(drop.client);
  check(connection != connections_.end() || drop.client == Session::kController,
        "a client is forgotten once");
  if (connection == connections_.end()) return;
  Client& client = *connection->second.client;
  if (client.id == drop.client) {
    client.id.reset();
    client.grants = client.dones = 0;
  }
  if (drop.client == Session::kController) {
    connection->second.open = false;
  } else {
    connections_.erase(connection);
  }
}

void World::carry_out(const Session::Interrupt& interrupt) {
  check(controller_told_dead_, "only the controller's death interrupts");
  check(connections_.contains(interrupt.client), "who is interrupted is known");
  check(!is_remote(*connections_.at(interrupt.client).client), "the controller is left alone");
}

void World::carry_out(const Session::Kill& kill) {
  check(connections_.contains(kill.client), "who is ended is known");
  Client& client = *connections_.at(kill.client).client;
  check(&client != &controller_ && !is_remote(client), "the controller is not ended");
  client.alive = false;
  client.grants = client.dones = 0;
}

/// Nobody ever uses any CPU time; half of the time that is not known.
void World::carry_out(const Session::Examine&) {
  examine_known_ = !examine_known_;
  session_->examined(examine_known_ ? std::optional(Stall::Cpu{}) : std::nullopt, now_);
}

void World::carry_out(const Session::OpenTrace&) {
  if (std::exchange(trace_fails_, false) || session_->tracing()) {
    session_->trace_ended("another writes to it");
  } else {
    session_->trace_opened(now_);
  }
}

void World::check_state() {
  check(!good_.alive || good_.id, "who does as it should is not thrown out");
  const auto holders = static_cast<std::size_t>(std::ranges::count_if(bad_, &Client::holds)) +
                       (good_.holds() ? 1U : 0U);
  const std::size_t free = make_.size() + neighbours_.size();
  check(free + session_->tokens().size() == kTokens, "no token is lost or made");
  check(holders + free <= kJobSlots + session_->uncovered(), "no slot is used twice");
  if (session_->over()) {
    check(controller_told_dead_ || controller_said_bye_ || !controller_.id,
          "the session lasts as its controller does");
    check(!good_.id, "the session lasts as a worker does");
    check(session_->tokens().empty(), "all tokens are back at the end");
  }
}

/// The input has ended: all go, and in between the good client is served.
void World::play_end() {
  while (!neighbours_.empty()) play(controller_, '=', "");
  if (!good_.alive) connect_good();  // The controller had it ended.
  for (Client& client : bad_) {
    if (client.kept_by_a_child && client.id) close(client);
  }
  if (controller_.alive && controller_.id) say(controller_, "bye");
  if (!controller_said_bye_) {
    close(controller_);
    die(controller_);
  }
  // So many stay that a slot is left; without a controller there is no implicit one.
  close(bad_.at(0));
  die(bad_.at(0));
  if (!controller_.alive || controller_told_dead_ || !has_implicit_slot_) {
    close(bad_.at(1));
    die(bad_.at(1));
  }
  settle();
  say(good_, "want");
  settle();
  now_ += Ledger::kCourtesyPause;
  settle();
  check(good_.grants == 1, "who does as it should is served");
  say(good_, "done");
  settle();
  for (Client& client : bad_) {
    close(client);
    die(client);
  }
  settle();
  check(make_.size() == kTokens, "all tokens are back when nobody works");
  say(good_, "want");
  now_ += Ledger::kCourtesyPause;
  settle();
  check(good_.grants == 2, "who does as it should is served again");
  close(good_);
  die(good_);
  close(controller_);
  die(controller_);
  settle();
  check(session_->over(), "the session ends when all have gone");
}

}  // namespace
}  // namespace jobslots::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  jobslots::fuzz::World(std::string_view(reinterpret_cast<const char*>(data), size)).run();
  return 0;
}
