#pragma once

/// The job that a jobserver's owner counts a session for: with it comes one implicit slot, however
/// many sessions the job starts.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "jobslots/unique_fd.h"
#include "system/processes.h"

namespace jobslots {

struct Job {
  pid_t process = 0;  ///< When it ends, the implicit slot is taken back.
  /// Names the job on this machine: user, jobserver, process and when that was started.
  std::string name;
  UniqueFd life;  ///< A pidfd of the process. Empty where there is none.
};

/// The job of a session with these ancestors (the controller first; it may be this process) under
/// the jobserver that is open as this descriptor. It is the child of the nearest ancestor that
/// takes slots itself: that has the jobserver open, or is a make. A pipe is open all the way down
/// where it is inherited: there the outermost process counts that has it open. Where a worker of a
/// session is met on the way, the job is the worker: what its test starts has the test's slot. A
/// pool's folder stands for its jobserver; a make need not know of that, and does not count.
/// Nothing where no ancestor takes slots, as with a jobserver that was set for a whole login.
enum class Makes { kCount, kDoNotCount };
std::optional<Job> find_job(const std::vector<Process>& ancestors, int jobserver,
                            Makes makes = Makes::kCount);

}  // namespace jobslots
