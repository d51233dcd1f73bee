#pragma once

/// A jobserver seen from a client: bytes can be taken from it and must be returned to it.
///
/// make puts N-1 bytes (tokens) into a fifo or pipe for its N job slots; the slot that has no byte
/// is the implicit one, which the client owns since it was started. Whoever reads a byte holds a
/// job slot until it has written the same byte back. Source: GNU make manual, "POSIX Jobserver
/// Interaction".
///
/// Everything here is non-blocking on a file description of our own: the one behind an inherited
/// descriptor is shared with make and all its clients, and changing its flags would change theirs.

#include <sys/types.h>

#include <cstdlib>
#include <optional>

#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

class TokenSource {
 public:
  /// Opens the fifo, device or pipe that auth names. Withheld or stale descriptors are looked for
  /// in the nearest ancestor process that is a make (see ancestor.h).
  static Result<TokenSource> open(const Makeflags& makeflags);

  /// Opens the jobserver that the environment names. Whoever asks whether there is a usable one
  /// asks here, so that all of them say the same.
  static Result<TokenSource> from_environment(const GetEnv& getenv = std::getenv);

  /// What it was opened from.
  const Makeflags& makeflags() const { return makeflags_; }
  /// The make whose descriptors it was opened through, where this process was not given any.
  std::optional<pid_t> make_process() const { return make_process_; }

  /// Becomes readable when there is a token to take, writable when one can be returned.
  int read_fd() const { return read_.get(); }
  int write_fd() const { return write_ ? write_.get() : read_.get(); }

  /// One token, or nothing where none is free at the moment or the jobserver is lost.
  std::optional<char> try_take();

  /// Returns a token. False where it cannot be written now: poll write_fd() and call again.
  bool try_return(char token);

  /// The other side has gone for good: end of file, or an error that will not pass.
  bool lost() const { return lost_; }

  /// It is a character device, not a fifo or pipe.
  bool is_device() const;

  /// The number of tokens that can be taken now, without taking one. Nothing where the jobserver
  /// cannot tell (a character device).
  std::optional<int> tokens_available() const;

 private:
  TokenSource(Makeflags makeflags, std::optional<pid_t> make_process, UniqueFd read, UniqueFd write)
      : makeflags_(std::move(makeflags)),
        make_process_(make_process),
        read_(std::move(read)),
        write_(std::move(write)) {}

  Makeflags makeflags_;
  std::optional<pid_t> make_process_;
  UniqueFd read_;
  UniqueFd write_;  ///< Empty where read_ is open for both (fifo, device).
  bool lost_ = false;
};

}  // namespace jobslots
