#pragma once

/// A jobserver client for a program that runs jobs of its own: a test runner, a build tool.
///
///     auto client = jobslots::Client::from_environment();
///     if (auto* jobserver = std::get_if<jobslots::Client>(&client)) {
///       auto slot = jobserver->acquire();  // waits
///       work();
///     }                                    // the slot gives itself back
///
/// The first slot is the implicit one, which this process owns; further ones are tokens from make.
/// A process that dies with a token takes it along: keep what may crash in other processes. Not for
/// use by several threads at once. Client and slots may be moved, and destroyed in any order: the
/// jobserver stays open as long as one of them is there.

#include <memory>
#include <optional>

#include "jobslots/token_source.h"

namespace jobslots {

class Client;

/// The right to run one job, until it is destroyed. Can be moved, not copied, so that it is given
/// back exactly once.
class Slot {
 public:
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept;
  ~Slot();

  /// Whether this is the implicit slot, for which there is no token.
  bool implicit() const { return !token_; }

 private:
  friend class Client;
  struct Jobserver;
  Slot(std::shared_ptr<Jobserver> jobserver, std::optional<char> token)
      : jobserver_(std::move(jobserver)), token_(token) {}
  void give_back();

  std::shared_ptr<Jobserver> jobserver_;  ///< Null once moved from or given back.
  std::optional<char> token_;
};

class Client {
 public:
  /// The jobserver that the environment names, or why there is none.
  static Result<Client> from_environment();
  explicit Client(TokenSource tokens);

  Client(Client&& other) noexcept = default;
  /// The slots that this client has handed out so far stay what they are.
  Client& operator=(Client&& other) noexcept = default;
  ~Client() = default;

  /// A slot, or nothing where none is free now.
  std::optional<Slot> try_acquire();
  /// Waits for a slot, without using CPU. If the jobserver is lost, only the implicit slot is left:
  /// then this returns nothing while that is in use.
  std::optional<Slot> acquire();

 private:
  /// What the client and its slots share, and what does not move. Null once moved from: such a
  /// client has no slots.
  std::shared_ptr<Slot::Jobserver> jobserver_;
};

}  // namespace jobslots
