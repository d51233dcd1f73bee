#pragma once

/// What make tells its children about the jobserver, in the environment.
///
/// The variable MAKEFLAGS holds make's options. Words after a lone "--" are variable definitions. A
/// backslash protects the blank or backslash behind it. The jobserver is one of
///
///     --jobserver-auth=fifo:PATH   GNU make >= 4.4: a named pipe
///     --jobserver-auth=R,W         descriptors: GNU make 4.2, 4.3, or 4.4 with pipe style
///     --jobserver-fds=R,W          the same, GNU make 3.78 to 4.1
///
/// and the last one given counts. Negative descriptors say that make withholds them from this
/// recipe, because its line neither has a "+" nor mentions $(MAKE). Source: GNU make manual, "POSIX
/// Jobserver Interaction" and "Communicating Options to a Sub-make".
///
/// Nothing here does I/O: the text goes in, a value comes out.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "jobslots/unavailable.h"

namespace jobslots {

struct FifoAuth {
  std::string path;
  bool operator==(const FifoAuth&) const = default;
};

struct PipeAuth {
  int read_fd = -1;   ///< make's number of the end that tokens are read from.
  int write_fd = -1;  ///< make's number of the end that tokens are returned to.
  /// make did not hand the descriptors to this recipe: the numbers are valid in make only.
  bool withheld = false;
  bool operator==(const PipeAuth&) const = default;
};

struct Makeflags {
  std::variant<FifoAuth, PipeAuth> auth;
  /// N of -jN, counting the implicit slot. Absent where make does not pass it on (before 4.2).
  std::optional<unsigned> job_slots;
  bool operator==(const Makeflags&) const = default;
};

/// The jobserver of one variable's value. Reason::kNone where it speaks of none.
Result<Makeflags> parse_makeflags(std::string_view value);

/// N of the last -jN in a variable's value, whether it speaks of a jobserver or not: 0 for a -j
/// without a number, nothing where there is no -j.
std::optional<unsigned> parse_jobs(std::string_view value);

/// Looks a variable up: getenv, or a map in a test. Null where it is not set.
using GetEnv = std::function<const char*(const char* name)>;

/// The name of the variable that counts: MAKEFLAGS, else MFLAGS, else CARGO_MAKEFLAGS, the first
/// one that speaks of a jobserver, whether it can be understood or not. Null where none does.
const char* jobserver_variable(const GetEnv& getenv);

/// The jobserver of that variable.
Result<Makeflags> makeflags_from_environment(const GetEnv& getenv);

}  // namespace jobslots
