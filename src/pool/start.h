#pragma once

#include <optional>

#include "jobslots/unavailable.h"
#include "pool/place.h"

namespace jobslots {

/// The option of `jobslots pool` that makes it serve at a place, whose lock is its descriptor 0.
inline constexpr const char* kServePool = "--serve";

/// Starts a pool at the place, unless one runs there or is being started: the lock tells
/// (flock(2)), and the pool has it as long as it lives. The pool is nobody's child. Why it cannot
/// be started.
std::optional<Unavailable> start_pool(const PoolPlace& place);

}  // namespace jobslots
