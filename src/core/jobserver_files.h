#pragma once

/// Finding and opening the files that a jobserver is made of.
///
/// Numbers in MAKEFLAGS are those of the process that has set it, the *issuer*: the nearest make
/// above, or a program in between that serves a jobserver of its own. They are worth something here
/// only where this process has inherited them, and nobody has closed them and opened something else
/// at their numbers: a make before 4.4 closes its pipe for most recipes, and MAKEFLAGS names the
/// numbers all the same. So what is at the numbers here is compared with what the issuer has there.

#include <sys/types.h>

#include <optional>

#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

/// How one end of a jobserver is read or written without waiting, though others share it.
enum class Access {
  kOwnDescription,  ///< Opened anew, O_NONBLOCK: read(2) and write(2).
  kSharedPipe,  ///< The description is make's too, and its flags must stay; or its reader may go.
  kSocket,      ///< Shared too, but recv(2) and send(2) can be told not to wait.
};

struct JobserverEnd {
  UniqueFd fd;
  Access access = Access::kOwnDescription;
};

struct JobserverFiles {
  JobserverEnd read;
  JobserverEnd write;  ///< Without a descriptor where read is open for both (fifo, device, socket).
  /// The process whose descriptors these were opened through, where this one was not given any: a
  /// make, or a program below it that serves a jobserver of its own.
  std::optional<pid_t> holder = {};
};

/// Opens what the path names. Where there is nothing of that name, it may have been meant for
/// another folder (a relative path, and this process has changed its folder) or another root (a
/// private /tmp): it is looked for as the processes above see it.
Result<JobserverFiles> open_path(const FifoAuth& fifo);

/// Opens what the descriptors name (makeflags.auth is a PipeAuth): the two ends of one pipe, or
/// what else works for make, such as a socket, or a pipe for each direction.
Result<JobserverFiles> open_descriptors(const Makeflags& makeflags);

/// Opens a jobserver that this process has made: both ends of its pipe, or its fifo twice.
Result<JobserverFiles> open_own(int read_fd, int write_fd);

}  // namespace jobslots
