#pragma once

#include <optional>

#include "jobslots/unavailable.h"
#include "pool/place.h"

namespace jobslots {

/// The options of `jobslots pool` that make it serve at a place, whose lock is its descriptor 0: as
/// the first there, or after one that was lost.
inline constexpr const char* kServePool = "--serve";
inline constexpr const char* kServeNextPool = "--serve-next";

/// Starts a pool at the place, unless one runs there or is being started: the lock tells
/// (flock(2)), and the pool has it as long as it lives. follows_another: who starts it has lost the
/// one before. The pool is nobody's child. Why it cannot be started.
std::optional<Unavailable> start_pool(const PoolPlace& place, bool follows_another);

}  // namespace jobslots
