#pragma once

/// A client's connection to a pool.

#include <chrono>
#include <optional>

#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"
#include "pool/place.h"
#include "pool/protocol.h"

namespace jobslots {

class PoolConnection {
 public:
  /// How long one who needs a pool waits for it: it is there within milliseconds.
  static constexpr std::chrono::seconds kPatience{10};

  /// Connects to the pool of this place and waits for its welcome. Where there is none, one is
  /// started; follows_another: by who has lost one, so that it waits for those who have its slots.
  static Result<PoolConnection> open(const PoolPlace& place, const pool::Hello& hello,
                                     bool follows_another = false,
                                     std::chrono::milliseconds patience = kPatience);

  const pool::Welcome& welcome() const { return welcome_; }
  /// Readable when the pool has said something, or has gone. Owned by this.
  int fd() const { return socket_.get(); }
  /// The pool has gone, or does not listen.
  bool lost() const { return lost_; }

  void send(const pool::FromClient& message);
  /// As if the pool had gone.
  void abandon() { lost_ = true; }
  /// The next message, or nothing where there is none now or the pool has gone.
  std::optional<pool::ToClient> receive();
  /// Waits for it at most so long.
  std::optional<pool::ToClient> receive(std::chrono::milliseconds limit);

 private:
  PoolConnection(UniqueFd socket, pool::Welcome welcome)
      : socket_(std::move(socket)), welcome_(std::move(welcome)) {}

  UniqueFd socket_;
  pool::Welcome welcome_;
  bool lost_ = false;
};

}  // namespace jobslots
