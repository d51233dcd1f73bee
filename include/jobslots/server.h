#pragma once

/// A jobserver of one's own: what a program does that starts jobs with -jN without being make.
///
///     auto server = jobslots::Server::create(8);
///     if (auto* jobserver = std::get_if<jobslots::Server>(&server)) {
///       setenv("MAKEFLAGS", jobserver->makeflags().c_str(), 1);  // for the children
///       auto client = jobserver->client();                       // for this program itself
///
/// Each child owns an implicit slot from its start on, so the program takes a slot for each child
/// that it starts: the first one is its own implicit slot, further ones are tokens. examples/cpp
/// has a whole program. Source: GNU make manual, "POSIX Jobserver Interaction".

#include <string>
#include <vector>

#include "jobslots/client.h"
#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"

namespace jobslots {

/// Removed when this is destroyed. It must live as long as its children do.
class Server {
 public:
  /// A fifo in a private directory, for GNU make 4.4 and later, ninja 1.13, cargo and libjobslots.
  /// job_slots is N of -jN, at least 1. directory is where the fifo's own directory is made.
  [[nodiscard]] static Result<Server> create(unsigned job_slots,
                                             const std::string& directory = "/tmp");

  /// A pipe, for what does not know a fifo: GNU make 4.2 and 4.3 end with an error there. Children
  /// have to inherit its descriptors, see inherited_fds.
  [[nodiscard]] static Result<Server> create_pipe(unsigned job_slots);

  Server(Server&& other) noexcept = default;
  Server& operator=(Server&& other) = delete;
  ~Server();

  /// What to set MAKEFLAGS to for children.
  std::string makeflags() const;

  /// The descriptors that children have to inherit; none of a fifo. They are close-on-exec, so that
  /// other programs that this one starts do not get them.
  std::vector<int> inherited_fds() const;
  /// Lets the calling process hand them on when it executes another program: to be called in a
  /// child between fork and exec, where it is safe. False where the system says no.
  [[nodiscard]] bool keep_fds_on_exec() const;

  /// For the jobs of this program itself: it has the implicit slot that the first child uses. There
  /// is to be one such client, as it is one slot. Works also when the server has gone.
  [[nodiscard]] Result<Client> client() const;

  /// Tokens that nobody holds now: job_slots - 1 once everything has been returned.
  int tokens_available() const;

 private:
  Server(unsigned job_slots, std::string directory, UniqueFd read, UniqueFd write)
      : job_slots_(job_slots),
        directory_(std::move(directory)),
        read_(std::move(read)),
        write_(std::move(write)) {}
  std::string fifo_path() const { return directory_ + "/fifo"; }
  Makeflags jobserver() const;

  unsigned job_slots_;
  std::string directory_;  ///< Empty: a pipe, or moved from.
  UniqueFd read_;
  UniqueFd write_;  ///< Empty where read_ is open for both (fifo).
};

}  // namespace jobslots
