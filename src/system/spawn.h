#pragma once

/// Starts another program, see posix_spawn(3), and ends it.

#include <sys/types.h>

#include <string>
#include <vector>

#include "jobslots/unavailable.h"

namespace jobslots {

struct Program {
  std::string path;
  std::vector<std::string> arguments;    ///< Its own name first.
  std::vector<std::string> environment;  ///< NAME=VALUE.
};

/// Starts the program as leader of a process group of its own. Its standard output is the
/// descriptor output; its standard input is empty, and its standard error goes nowhere. The number
/// of the process, or why it could not be started (Reason::kSystem, with the system's error).
Result<pid_t> spawn(const Program& program, int output);

/// Kills a process that spawn has started and all that belong to its group, and waits for its end.
/// False where that is not allowed, as of a set-user-ID program: that one is not waited for.
bool end_group(pid_t leader);

}  // namespace jobslots
