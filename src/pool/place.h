#pragma once

/// Where a pool is found: a folder that only this user can enter, with the pool's socket, its fifo,
/// and a lock that the running pool holds. The names have the protocol's version in them, so that a
/// newer pool may run beside an older one.

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "core/variables.h"
#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

struct PoolPlace {
  std::string directory;

  std::string socket() const { return directory + "/v1.socket"; }
  std::string fifo() const { return directory + "/v1.fifo"; }
  std::string lock() const { return directory + "/v1.lock"; }

  /// The place of the pool that a word names, which must not be empty: "machine" is the user's own,
  /// in $XDG_RUNTIME_DIR/jobslots (/run/user/UID where that is not set) or, where there is no such
  /// folder of the user's, /tmp/jobslots-UID. Anything else is the path of another pool's folder,
  /// or of its socket.
  static Result<PoolPlace> named(std::string_view word, const GetEnv& getenv);
  /// The place of the pool whose fifo this is, by its path.
  static std::optional<PoolPlace> of_fifo(const std::string& path);

  /// Makes the folder where it is missing. Why it cannot be used: it must be the user's own, and
  /// nobody else's to write in.
  std::optional<Unavailable> prepare() const;
};

/// The cure where the place cannot take what belongs there.
inline constexpr const char* kMakeRoom =
    "make room there, or name another folder: JOBSLOTS_POOL=/path/of/a/folder";

/// Whether the file at the path, no link, is the one that is open.
bool is_same_file(const std::string& path, int fd);

inline constexpr std::string_view kMachinePool = "machine";
inline constexpr std::string_view kPoolOff = "off";

/// What JOBSLOTS_WEIGHT says: 1 where it is not set, or is no number from 1 to 1000.
unsigned weight_here(const GetEnv& getenv = std::getenv);

/// What JOBSLOTS_POOL says: nothing where it is not set, or empty, or "off".
std::optional<std::string> pool_word(const GetEnv& getenv);

}  // namespace jobslots
