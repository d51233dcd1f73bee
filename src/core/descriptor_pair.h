#pragma once

/// What a process has at the numbers of a pipe-style jobserver.

#include <sys/stat.h>
#include <sys/types.h>

#include "jobslots/makeflags.h"

namespace jobslots {

struct DescriptorPair {
  struct End {
    struct stat status {};
    bool usable = false;  ///< Open in the right direction, and a pipe or socket.
    bool is_fifo() const { return S_ISFIFO(status.st_mode); }
  };

  pid_t process = 0;  ///< 0: this one.
  End read;
  End write;
  int error = 0;  ///< Why they could not be looked at: EBADF where they are closed.

  bool usable() const { return error == 0 && read.usable && write.usable; }
  bool one_pipe() const;
  /// Whether both have the same files there, whoever has opened them.
  bool same_as(const DescriptorPair& other) const;
};

/// What is at the numbers in this process. Works without /proc.
DescriptorPair inherited_pair(const PipeAuth& pipe);

/// What is at the numbers in another process.
DescriptorPair pair_of(pid_t process, const PipeAuth& pipe);

}  // namespace jobslots
