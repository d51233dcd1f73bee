#pragma once

/// Asks the pool and the brokers of sessions what they do, all at once.

#include <chrono>
#include <optional>

#include "pool/place.h"
#include "status/overview.h"

namespace jobslots {

enum class Sessions {
  kOfPool,  ///< Those that the pool knows.
  kOfUser,  ///< All that this user's processes show, too: under make there is no pool.
};

/// Waits for answers at most so long; who has not answered then is told of without what it would
/// have said. Starts no pool.
Overview inquire(const PoolPlace& place, Sessions sessions, std::chrono::milliseconds limit);

}  // namespace jobslots
