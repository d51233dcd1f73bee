#pragma once

/// Which make a name on PATH, or a process, stands for.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace jobslots {

struct MakeProgram {
  std::string path;
  /// The first line that `make --version` prints: "GNU Make 4.3". Empty where it prints none,
  /// cannot be run, or takes too long.
  std::string version;
  bool operator==(const MakeProgram&) const = default;
};

/// What a make may take to say its version. Far more than any needs on a loaded machine.
inline constexpr std::chrono::seconds kVersionLimit{5};

/// The program that a shell would run for `make` with this value of PATH, or nothing.
std::optional<MakeProgram> make_on_path(std::string_view path,
                                        std::chrono::milliseconds limit = kVersionLimit);

/// The make of this path.
MakeProgram make_at(std::string path, std::chrono::milliseconds limit = kVersionLimit);

/// Whether it is a GNU make before 4.4, which ends with an error where MAKEFLAGS names a fifo.
bool ends_with_a_fifo(const MakeProgram& make);

/// The program that the process pid runs, or nothing where it may not be known.
std::optional<MakeProgram> program_of(pid_t pid, std::chrono::milliseconds limit = kVersionLimit);

}  // namespace jobslots
