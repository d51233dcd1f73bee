#pragma once

/// The variables that say which job slots a program is to use, beside those of make.

namespace jobslots {

/// Which pool: "machine", a folder, or "off". See PoolPlace::named().
inline constexpr const char* kPoolVariable = "JOBSLOTS_POOL";
/// Says "no" where who started a program has no job slot for it, as where the jobserver was set for
/// a whole login: it takes a token even for the first thing that it runs.
inline constexpr const char* kImplicitSlotVariable = "JOBSLOTS_IMPLICIT_SLOT";
/// A session of weight 2 is due twice the slots of a pool that one of weight 1 is.
inline constexpr const char* kWeightVariable = "JOBSLOTS_WEIGHT";

}  // namespace jobslots
