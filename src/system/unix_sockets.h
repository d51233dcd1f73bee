#pragma once

/// Which sockets of files other processes listen at, as /proc shows them, see proc(5) on
/// /proc/net/unix.

#include <sys/types.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace jobslots {

class UnixSockets {
 public:
  /// Those of this network namespace that have a path. Empty where there is no /proc.
  static UnixSockets listening();

  /// The paths of those that the process has open, as far as this one may know.
  std::vector<std::string> of(pid_t process) const;

 private:
  std::unordered_map<std::string, std::string> paths_;  ///< By "socket:[INODE]".
};

}  // namespace jobslots
