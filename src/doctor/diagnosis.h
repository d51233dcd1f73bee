#pragma once

/// What there is to know about the jobserver of this process, as a value: what the environment says
/// of it, how far it goes, which make is around, and the verdict.
///
/// The verdict is that of TokenSource::from_environment and Rendezvous::create, which the broker
/// asks too: what `jobslots doctor` says and the reason that the pytest plugin prints are one. Only
/// where no variable speaks of a jobserver, and the plugin gives no reason, the diagnosis says more
/// (core/why_none.h).

#include <sys/types.h>

#include <optional>
#include <string>

#include "doctor/make_program.h"
#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"

namespace jobslots {

/// A jobserver that could be opened.
struct Reached {
  bool device = false;  ///< The path is that of a character device, not of a fifo.
  /// The process whose descriptors were opened through /proc, where this one was not given any.
  std::optional<pid_t> holder;
  std::optional<int> tokens_free;  ///< Counted without taking one. Nothing: cannot be known.
  bool operator==(const Reached&) const = default;
};

struct Ancestor {
  pid_t process = 0;
  std::optional<MakeProgram> program;  ///< Nothing: another user's.
};

struct Diagnosis {
  std::optional<std::string> makeflags;  ///< The value of MAKEFLAGS; nothing where it is not set.
  /// The variable that speaks of a jobserver and its value; empty where none does.
  std::string variable;
  std::string value;
  std::optional<Makeflags> jobserver;  ///< What it says, where it can be understood.
  std::optional<Reached> reached;      ///< Nothing where it could not be opened.
  std::optional<Unavailable> why_not;  ///< The verdict; nothing where the jobserver is usable.
  std::optional<Ancestor> ancestor;    ///< The nearest ancestor process that is a make.
  std::optional<MakeProgram> on_path;  ///< What a shell would run for `make`.
};

/// Looks at everything. No token is taken, not even for a moment.
Diagnosis diagnose(const GetEnv& getenv);

}  // namespace jobslots
