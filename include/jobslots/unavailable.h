#pragma once

/// Why there is no usable jobserver, as a value: a reason that a program can compare and a text
/// that a person can act on.

#include <string>
#include <string_view>
#include <variant>

namespace jobslots {

enum class Reason {
  kNone,           ///< The environment does not speak of a jobserver: nothing is wrong.
  kOneJob,         ///< make runs one job at a time, and so has no jobserver.
  kUnlimited,      ///< make runs with -j without a number, and so has no jobserver.
  kRemoved,        ///< Something between make and this process takes out what make says of it.
  kNotUnderstood,  ///< There is a jobserver option, but its value has no known form.
  kWithheld,       ///< make kept the descriptors from this recipe and cannot be reached otherwise.
  kBadDescriptor,  ///< The descriptors are closed, or are not the two ends of one pipe.
  kFifoMissing,    ///< The path of the fifo does not exist.
  kNotAFifo,       ///< The path exists, but is neither a fifo nor a device that can be polled.
  kNotPermitted,   ///< This user may not open the jobserver.
  kSystem,         ///< A system call failed for a reason that has nothing to do with make.
};

/// The short, stable name of a reason, for programs: "fifo-missing".
std::string_view name_of(Reason reason);

struct Unavailable {
  Reason reason = Reason::kNone;
  std::string detail;  ///< What was found, naming the thing: "/tmp/GMfifo12 does not exist".

  /// What the user can do about it, in the imperative: "put + before the recipe line".
  std::string_view cure() const;

  /// detail and cure on one line, fit to be printed: without control characters.
  std::string message() const;
};

/// Either the thing asked for, or why it cannot be had.
template <class T>
using Result = std::variant<T, Unavailable>;

}  // namespace jobslots
