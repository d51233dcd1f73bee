#pragma once

#include <sys/types.h>

#include <optional>

#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"

namespace jobslots {

/// N of the -jN that the make was given on its command line or by the make above it; 0 for a -j
/// without a number, 1 where there is none. Nothing where it cannot be seen.
std::optional<unsigned> jobs_given_to(pid_t make_process);

/// Why no variable speaks of a jobserver, and what to do: named is the tool between make and this
/// process that is known to take variables out. make_process is the nearest ancestor that is a
/// make. Reason::kRemoved is only said where make has a jobserver, as far as that can be seen, so
/// that letting MAKEFLAGS through would help.
Unavailable why_none(const GetEnv& getenv, std::optional<pid_t> make_process);

}  // namespace jobslots
