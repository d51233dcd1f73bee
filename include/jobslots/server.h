#pragma once

/// A jobserver of one's own: what a program does that starts jobs with -jN without being make.

#include <string>

#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

/// A fifo in a private directory, filled with a token for each job slot but the implicit one, which
/// the first child started under it owns. Removed when this is destroyed.
/// Source: GNU make manual, "POSIX Jobserver Interaction".
class Server {
 public:
  /// job_slots is N of -jN, at least 1. directory is where the fifo's own directory is made.
  static Result<Server> create(unsigned job_slots, const std::string& directory = "/tmp");

  Server(Server&& other) noexcept = default;
  Server& operator=(Server&& other) = delete;
  ~Server();

  /// What to set MAKEFLAGS to for children.
  std::string makeflags() const;
  /// Tokens that nobody holds now: job_slots - 1 once everything has been returned.
  int tokens_available() const;

 private:
  Server(unsigned job_slots, std::string directory, UniqueFd fifo)
      : job_slots_(job_slots), directory_(std::move(directory)), fifo_(std::move(fifo)) {}
  std::string fifo_path() const { return directory_ + "/fifo"; }

  unsigned job_slots_;
  std::string directory_;
  UniqueFd fifo_;
};

}  // namespace jobslots
