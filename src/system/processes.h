#pragma once

/// The way to a pipe-style jobserver whose descriptors did not reach this process.

#include <sys/types.h>

#include <optional>
#include <string>

namespace jobslots {

/// The nearest ancestor process that is a make: named make, gmake, gnumake or remake, perhaps with
/// a version behind it, or as the last part of make_variable (the value of $MAKE, which make hands
/// only to recipes of a makefile that exports it; may be null). Nothing where no ancestor is one.
std::optional<pid_t> nearest_make(const char* make_variable);

/// The path under which another process' descriptor can be opened: /proc/PID/fd/FD, see proc(5).
std::string descriptor_path(pid_t pid, int fd);

}  // namespace jobslots
