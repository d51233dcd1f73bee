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
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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

/// The value of MAKEFLAGS that tells of this jobserver.
std::string to_makeflags(const Makeflags& makeflags);

/// The jobserver of one variable's value. Reason::kNone where it speaks of none.
Result<Makeflags> parse_makeflags(std::string_view value);

/// N of the last -jN in a variable's value, whether it speaks of a jobserver or not: 0 for a -j
/// without a number, nothing where there is no -j.
std::optional<unsigned> parse_jobs(std::string_view value);

/// The same of the words that a make was started with, without its own name. They are read as make
/// does: -j8, -kj8, --jobs=8; and -j 8 and --jobs 8, where the next word is nothing but digits.
std::optional<unsigned> jobs_of_command_line(std::span<const std::string> words);

/// What to set a variable to for children of a jobserver's owner: value as it is, but without the
/// jobserver that it speaks of, and with jobserver (see Server::makeflags) behind the options. A -j
/// in value may stay: the last one counts.
std::string with_jobserver(std::string_view value, std::string_view jobserver);

/// Looks a variable up: getenv, or a map in a test. Null where it is not set.
using GetEnv = std::function<const char*(const char* name)>;

/// The names of the variables that speak of a jobserver, whether it can be understood or not, and
/// count: the first one here and now, the next one where that is not set, and so on. They are
/// MAKEFLAGS, MFLAGS and CARGO_MAKEFLAGS. make reads MAKEFLAGS only, and sets MFLAGS for makes of
/// old: so where MAKEFLAGS is set, to nothing for instance, and speaks of no jobserver, that one
/// has been left, and MFLAGS does not count. cargo sets CARGO_MAKEFLAGS and leaves MAKEFLAGS as it
/// is.
std::vector<std::string> jobserver_variables(const GetEnv& getenv);

/// The jobserver of the first of these variables.
Result<Makeflags> makeflags_from_environment(const GetEnv& getenv);

}  // namespace jobslots
