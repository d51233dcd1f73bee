#pragma once

#include <sys/types.h>

#include <optional>

#include "jobslots/makeflags.h"

namespace jobslots {

/// Who has set the variable that names a jobserver's descriptors.
struct Issuer {
  pid_t process = 0;
  bool is_make = false;
};

/// The nearest make above, or a process below it whose child was the first to be started with these
/// makeflags. Nothing where none can be seen.
std::optional<Issuer> issuer_of(const Makeflags& makeflags);

}  // namespace jobslots
