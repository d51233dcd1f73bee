#pragma once

/// What `jobslots run` gives its command: a job slot, and a jobserver to take more from.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/variables.h"
#include "jobslots/makeflags.h"
#include "jobslots/unavailable.h"

namespace jobslots {

/// Variables to be set for the command, or to be removed (nothing).
using Variables = std::map<std::string, std::optional<std::string>>;

class Provision {
 public:
  Provision() = default;
  Provision(const Provision&) = delete;
  Provision& operator=(const Provision&) = delete;
  virtual ~Provision() = default;

  /// Waits for the command's slot, at the longest until the descriptor is readable. Whether there
  /// is one, or why there can be none.
  virtual Result<bool> take_slot(int interrupted) = 0;
  virtual Variables variables() const = 0;
  /// Called in the command's process before it is executed, where only that is allowed which is
  /// safe between fork and exec. False where the system says no.
  virtual bool prepare_exec() const = 0;
  /// While the command runs: a descriptor that is readable when look() is to be called, or -1.
  virtual int watched() const { return -1; }
  /// After how many milliseconds it is to be called though nothing happens; -1: never.
  virtual int look_after() const { return -1; }
  virtual void look() {}
  /// Gives the slot back when the command has ended. A line about tokens that clients have lost or
  /// invented; empty where all is well.
  virtual std::string finish() = 0;
};

/// What MAKEFLAGS and the other variables have to be for a jobserver's clients. jobserver is as of
/// Server::makeflags.
Variables variables_for(const GetEnv& getenv, const std::string& jobserver);

enum class Style { kFifo, kPipe };

/// A jobserver of one's own, whose implicit slot is the command's.
Result<std::unique_ptr<Provision>> own_jobserver(const GetEnv& getenv, unsigned job_slots,
                                                 Style style);

/// A slot of the pool that the word names, see PoolPlace::named(). title is what the command is
/// called there.
Result<std::unique_ptr<Provision>> slot_of_pool(const GetEnv& getenv, std::string_view word,
                                                const std::string& title);

/// The jobserver that the environment names. Null where the command is to have the implicit slot,
/// as nothing has to be taken for it then.
Result<std::unique_ptr<Provision>> joined_jobserver(const GetEnv& getenv);

}  // namespace jobslots
