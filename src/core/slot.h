#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>

#include "jobslots/slot.h"

namespace jobslots {

/// What a client and the slots that it has handed out share.
struct Slot::Giver {
  Giver() = default;
  Giver(const Giver&) = delete;
  Giver& operator=(const Giver&) = delete;
  virtual ~Giver() = default;
  /// Called in the process that the slot belongs to.
  virtual void take_back(std::optional<char> token) = 0;

  /// Slots belong to the process that has got them, and not to its children.
  bool is_mine() const { return getpid() == owner_; }

 private:
  const pid_t owner_ = getpid();
};

}  // namespace jobslots
