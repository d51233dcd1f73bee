#pragma once

/// What a pool says of itself and its clients, as JSON: docs/protocol.md describes the fields.

#include <cstddef>
#include <string>

#include "pool/pool_ledger.h"
#include "pool/protocol.h"

namespace jobslots::pool {

struct Who {
  Hello::Role role;
  pid_t process;
  const std::string& title;
  const std::string& folder;
  const std::string& socket;
};

struct Sums {
  unsigned job_slots;
  std::size_t free;
  std::size_t held;    ///< By clients.
  std::size_t others;  ///< Slots that others have taken from the fifo, or that have died with them.
  const std::string& fifo;
};

std::string describe(const Who& who, const PoolLedger::Client& slots, PoolLedger::Time now);
std::string describe(const Sums& sums);

}  // namespace jobslots::pool
