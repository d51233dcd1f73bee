#include "status/inquiry.h"

#include <poll.h>

#include <algorithm>
#include <list>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/words.h"
#include "pool/protocol.h"
#include "session/protocol.h"
#include "system/listener.h"
#include "system/processes.h"
#include "system/unix_sockets.h"

namespace jobslots {
namespace {

using Clock = std::chrono::steady_clock;

/// Whom a socket at the path belongs to: the same user's, or nobody's.
std::optional<Peer> connected_to(const std::string& path) {
  UniqueFd socket = connect_to(path);
  if (!socket) return std::nullopt;
  Peer peer(std::move(socket));
  return peer.same_user() ? std::optional(std::move(peer)) : std::nullopt;
}

/// What is asked, and what has been answered so far.
class Inquiry {
 public:
  explicit Inquiry(Clock::time_point end) : end_(end) {}

  void ask_pool(const PoolPlace& place) {
    auto pool = connected_to(place.socket());
    if (!pool) return;
    pool->send(pool::to_packet(pool::Hello{.role = pool::Hello::Role::kObserver}));
    pool->send(pool::to_packet(pool::Status{}));
    overview_.pool = PoolOverview{.folder = place.directory, .fifo = place.fifo()};
    pool_ = std::move(pool);
  }

  void ask_brokers() {
    const UnixSockets sockets = UnixSockets::listening();
    for (const pid_t process : own_processes()) {
      if (!is_broker(process)) continue;
      for (const std::string& path : sockets.of(process)) {
        add({.process = process, .socket = path});
      }
    }
  }

  Overview answers() {
    while (Clock::now() < end_ && (pool_ || any_broker_asked())) wait();
    Overview overview = std::move(overview_);
    for (Asked& asked : asked_) overview.holders.push_back(std::move(asked.holder));
    return overview;
  }

 private:
  struct Asked {
    Holder holder;
    std::optional<Peer> broker;  ///< Until it has answered.
  };

  static bool is_broker(pid_t process) {
    const auto entry = read_process(process);
    if (!entry || entry->name != "jobslots") return false;
    const auto words = command_line(process);
    return words && words->size() > 1 && words->at(1) == "broker";
  }

  /// One that is known already is asked once.
  void add(Holder holder) {
    const auto same = std::ranges::find_if(asked_, [&holder](const Asked& asked) {
      return !holder.socket.empty() && asked.holder.socket == holder.socket;
    });
    if (same != asked_.end()) {
      auto session = std::move(same->holder.session);
      same->holder = std::move(holder);
      if (session) add_session(same->holder, std::move(*session));
      return;
    }
    Asked asked{std::move(holder), std::nullopt};
    if (!asked.holder.socket.empty()) asked.broker = connected_to(asked.holder.socket);
    // Who has just gone is not told of, where only its process was seen.
    if (!asked.broker && !asked.holder.share) return;
    if (asked.broker) asked.broker->send("hello " + std::to_string(kProtocolVersion) + " observer");
    asked_.push_back(std::move(asked));
  }

  bool any_broker_asked() const {
    return std::ranges::any_of(asked_, [](const Asked& asked) { return asked.broker.has_value(); });
  }

  void wait() {
    std::vector<pollfd> sockets;
    if (pool_) sockets.push_back({pool_->socket_fd(), POLLIN, 0});
    for (const Asked& asked : asked_) {
      if (asked.broker) sockets.push_back({asked.broker->socket_fd(), POLLIN, 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    poll(sockets.data(), sockets.size(), static_cast<int>(std::max<long>(left.count(), 0)));
    if (pool_) hear_pool();
    asked_.remove_if([](Asked& asked) { return asked.broker && has_gone(asked); });
  }

  void hear_pool() {
    for (;;) {
      const Peer::Received received = pool_->receive(pool::kAnswerLimit);
      if (received.closed) {
        // It has ended, or it has failed while it answered.
        if (!is_heard_) overview_.pool.reset();
        pool_.reset();
        return;
      }
      if (!received.message) return;
      is_heard_ = true;
      const auto message = pool::parse_to_client(*received.message);
      if (!message) continue;
      const std::string& folder = overview_.pool->folder;
      if (const auto* client = std::get_if<pool::Described>(&*message)) {
        std::istringstream lines(client->json);
        for (std::string line; std::getline(lines, line);) {
          if (auto holder = client_of_json(line, folder)) add(std::move(*holder));
        }
      } else if (const auto* summary = std::get_if<pool::Summary>(&*message)) {
        if (auto pool = pool_of_json(summary->json, folder)) overview_.pool = std::move(pool);
        pool_.reset();
        return;
      }
    }
  }

  /// Whether its session has ended without an answer, and no pool has told of it.
  static bool has_gone(Asked& asked) {
    const Peer::Received received = asked.broker->receive(kStatusLimit + kMessageLimit);
    if (!received.closed && !received.message) return false;
    asked.broker.reset();
    if (received.closed) return !asked.holder.share;
    std::string_view text = *received.message;
    if (take_word(text) != "session") return false;
    if (auto session = status_of_json(text)) add_session(asked.holder, std::move(*session));
    return false;
  }

  Clock::time_point end_;
  std::optional<Peer> pool_;  ///< Until it has answered.
  bool is_heard_ = false;     ///< It has said something.
  std::list<Asked> asked_;
  Overview overview_;
};

}  // namespace

Overview inquire(const PoolPlace& place, Sessions sessions, std::chrono::milliseconds limit) {
  Inquiry inquiry(Clock::now() + limit);
  inquiry.ask_pool(place);
  if (sessions == Sessions::kOfUser) inquiry.ask_brokers();
  return inquiry.answers();
}

}  // namespace jobslots
