#pragma once

#include <memory>
#include <optional>

namespace jobslots {

/// The right to run one job, until it is destroyed. Can be moved, not copied, so that it is given
/// back exactly once. A Client (client.h) has them from make's jobserver, a PoolClient
/// (pool_client.h) from a pool.
class [[nodiscard]] Slot {
 public:
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept;
  ~Slot();

  /// Whether this is the implicit slot of make's, for which there is no token.
  bool implicit() const { return !token_; }

 private:
  friend class Client;
  friend class PoolClient;
  struct Giver;  ///< Whom it came from.
  Slot(std::shared_ptr<Giver> giver, std::optional<char> token)
      : giver_(std::move(giver)), token_(token) {}
  void give_back();

  std::shared_ptr<Giver> giver_;  ///< Null once moved from or given back.
  std::optional<char> token_;
};

}  // namespace jobslots
