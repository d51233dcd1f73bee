#pragma once

/// Why there is no usable jobserver, as a value: a reason that a program can compare and a text
/// that a person can act on.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace jobslots {

enum class Reason {
  kNone,           ///< The environment does not speak of a jobserver: nothing is wrong.
  kOneJob,         ///< make runs one job at a time, and so has no jobserver.
  kUnlimited,      ///< make runs with -j without a number, and so has no jobserver.
  kRemoved,        ///< Something between make and this process takes out what make says of it.
  kNotUnderstood,  ///< There is a jobserver option, but its value has no known form.
  kWithheld,       ///< make kept the descriptors from this recipe and cannot be reached otherwise.
  kBadDescriptor,  ///< The descriptors are closed, or are not those of a jobserver.
  kFifoMissing,    ///< The path of the fifo does not exist.
  kNotAFifo,       ///< The path exists, but is neither a fifo nor a device that can be polled.
  kNotPermitted,   ///< This user may not open the jobserver.
  kSystem,         ///< A system call failed for a reason that has nothing to do with make.
};

/// The short, stable name of a reason, for programs: "fifo-missing".
std::string_view name_of(Reason reason);

struct Unavailable {
  Reason reason = Reason::kNone;
  std::string detail;       ///< What was found, naming the thing: "/tmp/GMfifo12 does not exist".
  std::string remedy = {};  ///< The cure of this very case; empty where the reason's own will do.
  /// The variable that was read, and those that would be read if that one were unset.
  std::vector<std::string> variables = {};

  /// detail and the name of the variable, fit to be printed on one line: without control
  /// characters, and of at most 1000 bytes, as it may quote what is of any length.
  std::string finding() const;

  /// What the user can do about it, in the imperative: "put + before the recipe line".
  std::string cure() const;

  /// finding and cure on one line.
  std::string message() const;
};

/// Either the thing asked for, or why it cannot be had.
template <class T>
using Result = std::variant<T, Unavailable>;

}  // namespace jobslots
