#include "pool/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "pool/start.h"
#include "system/listener.h"
#include "system/wait.h"

namespace jobslots {
namespace {

/// How long to wait before the next try to reach a pool that is just coming or going.
constexpr std::chrono::milliseconds kRetry{1};

bool send_to(int socket, const pool::FromClient& message) {
  const std::string packet = to_packet(message);
  return send(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(packet.size());
}

struct Received {
  bool closed = false;
  std::optional<pool::ToClient> message;
};

Received receive_from(int socket) {
  std::string buffer(pool::kAnswerLimit, '\0');
  const ssize_t size = recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size <= 0) return {true, std::nullopt};
  buffer.resize(static_cast<std::size_t>(size));
  auto message = pool::parse_to_client(buffer);
  return {!message, std::move(message)};  // Who says nonsense is no pool.
}

Unavailable unusable(const PoolPlace& place, const std::string& why, std::string remedy = {}) {
  return {Reason::kSystem, "the pool in " + place.directory + " " + why, std::move(remedy)};
}

}  // namespace

Result<PoolConnection> PoolConnection::open(const PoolPlace& place, const pool::Hello& hello,
                                            bool follows_another,
                                            std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  do {
    if (auto why = place.prepare()) return *why;
    UniqueFd socket = connect_to(place.socket());
    if (socket) {
      if (!Peer(UniqueFd(dup(socket.get()))).same_user()) {
        return unusable(place, "is another user's");
      }
      Received answer;
      for (send_to(socket.get(), hello); !answer.closed && !answer.message && Clock::now() < end;
           answer = receive_from(socket.get())) {
        wait_until(socket.get(), end);
      }
      if (answer.message) {
        if (auto* welcome = std::get_if<pool::Welcome>(&*answer.message)) {
          return PoolConnection(std::move(socket), std::move(*welcome));
        }
        return unusable(place, "does not understand this version of jobslots");
      }
      if (!answer.closed) break;  // Else it was about to end.
    } else if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN) {
      return unusable(place, std::string("cannot be reached: ") + std::strerror(errno));
    } else if (errno != EAGAIN) {
      if (auto why = start_pool(place, follows_another)) return *why;
    }
    std::this_thread::sleep_for(kRetry);
  } while (Clock::now() < end);
  return unusable(place, "does not answer",
                  "end the process that has " + place.lock() +
                      " open, or name another folder: JOBSLOTS_POOL=/path/of/a/folder");
}

void PoolConnection::send(const pool::FromClient& message) {
  lost_ = lost_ || !send_to(socket_.get(), message);
}

std::optional<pool::ToClient> PoolConnection::receive() {
  Received received = receive_from(socket_.get());
  lost_ = lost_ || received.closed;
  return std::move(received.message);
}

std::optional<pool::ToClient> PoolConnection::receive(std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  for (;;) {
    auto message = receive();
    if (message || lost() || Clock::now() >= end) return message;
    wait_until(socket_.get(), end);
  }
}

}  // namespace jobslots
