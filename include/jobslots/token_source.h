#pragma once

/// A jobserver seen from a client: bytes can be taken from it and must be returned to it.
///
/// make puts N-1 bytes (tokens) into a fifo or pipe for its N job slots; the slot that has no byte
/// is the implicit one, which the client owns since it was started. Whoever reads a byte holds a
/// job slot until it has written the same byte back. Source: GNU make manual, "POSIX Jobserver
/// Interaction".
///
/// Nothing here waits, and nothing changes what is shared: the file description behind an inherited
/// descriptor is make's and that of all its clients, and changing its flags would change theirs.

#include <sys/types.h>

#include <cstdlib>
#include <optional>

#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

struct JobserverFiles;
enum class Access;

class TokenSource {
 public:
  /// Opens the fifo, device, pipe or socket that auth names. Descriptors that make has withheld or
  /// that are another program's by now are looked for in the nearest ancestor that is a make.
  [[nodiscard]] static Result<TokenSource> open(const Makeflags& makeflags);

  /// Opens the jobserver that the environment names. Whoever asks whether there is a usable one
  /// asks here, so that all of them say the same. Where no variable names one the reason is kNone;
  /// but kRemoved where a make above was given -jN and MAKEFLAGS is not even set.
  [[nodiscard]] static Result<TokenSource> from_environment(const GetEnv& getenv = std::getenv);

  /// What it was opened from.
  const Makeflags& makeflags() const { return makeflags_; }
  /// The process whose descriptors it was opened through, where this one was not given any: a make,
  /// or a program below it that serves a jobserver of its own.
  std::optional<pid_t> holder() const { return holder_; }

  /// Becomes readable when there is a token to take, writable when one can be returned.
  int read_fd() const { return read_.get(); }
  int write_fd() const { return write_ ? write_.get() : read_.get(); }

  /// One token, or nothing where none is free at the moment or the jobserver is lost.
  [[nodiscard]] std::optional<char> try_take();

  /// Returns a token. False where it cannot be written now: poll write_fd() and call again.
  [[nodiscard]] bool try_return(char token);

  /// The other side has gone for good: end of file, or an error that will not pass.
  bool lost() const { return lost_; }

  /// It is a character device, not a fifo or pipe.
  bool is_device() const;

  /// The number of tokens that can be taken now, without taking one. Nothing where the jobserver
  /// cannot tell (a character device).
  std::optional<int> tokens_available() const;

 private:
  friend class Server;  // Opens its own.
  TokenSource(Makeflags makeflags, JobserverFiles files);
  std::optional<char> take_from_shared_pipe();

  Makeflags makeflags_;
  std::optional<pid_t> holder_;
  UniqueFd read_;
  UniqueFd write_;  ///< Empty where read_ is open for both (fifo, device, socket).
  Access read_access_;
  Access write_access_;
  UniqueFd
      private_read_;  ///< A pipe of our own, for take_from_shared_pipe. Made when it is needed.
  UniqueFd private_write_;
  bool lost_ = false;
};

}  // namespace jobslots
