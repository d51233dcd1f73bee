#pragma once

/// A client of a pool, for a program that runs jobs of its own where there is no make: all that
/// takes slots from the same pool (pytest sessions, makes, such programs) runs no more than N jobs
/// at once.
///
///     auto found = jobslots::PoolClient::connect("machine", "my build");
///     if (auto* pool = std::get_if<jobslots::PoolClient>(&found)) {
///       while (!todo.empty() || !running.empty()) {
///         pool->want(running.size() + todo.size());
///         if (todo.empty()) {
///           wait_for(job_ended_fd);
///         } else if (auto slot = pool->acquire(job_ended_fd)) {
///           running.push_back(start(todo.pop(), std::move(*slot)));
///         }
///         remove_ended(running);  // their slots give themselves back
///       }
///     }
///
/// examples/cpp/poolmap.cc is a whole program. There is no implicit slot: each job needs one, the
/// first one too. A program that is started in a slot already (by make, by a test) has that: it is
/// to use Client (client.h), which joins the same jobserver.
///
/// Slots belong to the connection: when this process ends, however it does, the pool has them back.
/// So a child process of fork(2) that lives on and executes nothing keeps them. It has copies of
/// client and slots, which do nothing there. When the pool dies, the client keeps what it has, and
/// says so to the next pool: reconnect(). Not for use by several threads at once; has none itself.
/// Client and slots may be moved, and destroyed in any order. docs/protocol.md has what is said
/// between the two.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "jobslots/slot.h"
#include "jobslots/unavailable.h"

namespace jobslots {

class PoolConnection;
struct PoolMember;
struct PoolPlace;

class PoolClient {
 public:
  /// How long connecting takes at most. A pool answers within milliseconds, also where it has to be
  /// started.
  static constexpr std::chrono::seconds kPatience{10};

  /// Joins the pool of that name: "machine" is the user's own, anything else is the absolute path
  /// of a pool's folder. Where it does not run, it is started, which needs the program jobslots on
  /// PATH. title is what `jobslots status` calls this program. Waits. JOBSLOTS_WEIGHT is how much
  /// of the pool is due to this program: twice as much with 2 as with 1, which is the default.
  [[nodiscard]] static Result<PoolClient> connect(std::string_view pool, std::string title,
                                                  std::chrono::milliseconds patience = kPatience);

  PoolClient(PoolClient&& other) noexcept = default;
  /// The slots that this client has handed out so far stay what they are.
  PoolClient& operator=(PoolClient&& other) noexcept;
  ~PoolClient();

  /// N of the pool.
  unsigned job_slots() const;
  /// The folder of the pool.
  const std::string& directory() const;

  // For a job queue.

  /// A slot that the pool has granted. Nothing where there is none now: only what the program
  /// wants is granted.
  [[nodiscard]] std::optional<Slot> try_acquire();

  /// Waits for a slot, or until other_fd is readable or at its end, without using CPU: then there
  /// may be no slot. Wants one slot at least beyond those that are out. Where the pool has gone, it
  /// reconnects; nothing comes back where that fails: then lost() holds, and reconnect() says why.
  [[nodiscard]] std::optional<Slot> acquire(int other_fd);

  /// As other_fd: nothing is waited for but the pool.
  static constexpr int kNothingElse = -1;

  // For an event loop of one's own.

  /// This program wants to have so many slots in all, those included that it has: as many as it
  /// could use now. Those that are missing are granted only while more than `spare` slots of the
  /// pool are free. To be called again whenever the number changes; costs nothing where it does
  /// not. A Slot that is given back is not wanted any more.
  void want(std::size_t total, std::size_t spare = 0);

  /// Readable when the pool has said something, or has gone: call receive(). Owned by the client,
  /// which closes it in reconnect() and has another one then; -1 once moved from.
  int fd() const;
  /// Takes in what the pool has said. Does not wait. What is granted and not wanted any more goes
  /// back at once.
  void receive();

  /// Slots that the program has: those in its Slots, and those that wait to be acquired, or, where
  /// it acquires none, to be used as they are and given back by give_back().
  std::size_t held() const;
  /// How many of these the pool asks for, as others wait: to be given back as soon as a job ends. A
  /// program that keeps its slots from job to job looks here between two of them; one that gives
  /// each back at the job's end need not.
  std::size_t asked_back() const;
  /// Gives back so many of those that are in no Slot. Say first that fewer are wanted: the pool
  /// grants what is missing.
  void give_back(std::size_t count);

  /// Whether all has been granted of such a want that can be now.
  bool is_settled(std::size_t total, std::size_t spare = 0) const;
  /// Slots that nobody had, when the pool last said something.
  std::size_t free() const;

  /// The pool has gone. What the program has of it stays its own until it gives it back: jobs that
  /// run may go on. What is not used is to be given back before reconnect().
  bool lost() const;
  /// Joins the pool that is there now, or starts one, and says what this program has and wants. To
  /// be called soon: a new pool waits for two seconds before it gives out what nobody has claimed.
  /// Waits. Why there is none: then lost() still holds, and it can be tried again.
  [[nodiscard]] std::optional<Unavailable> reconnect(
      std::chrono::milliseconds patience = kPatience);

  /// Whether the pool has answered all that it was told. It does so at once, whether there is a
  /// slot or not.
  bool answered() const;
  /// Leaves a pool that does not answer: lost() holds then.
  void abandon();
  /// While lost(): the program has one slot more, which nobody has granted, so that it does not
  /// stand still where there is no pool any more. The next pool is told of it.
  void assume_slot();

  // What `jobslots status` shows.

  void set_title(std::string title);
  /// Where the program can be asked what it does, as the broker of a pytest session can.
  void set_socket(std::string path);

  /// For programs of this project, which tell more of themselves.
  [[nodiscard]] static Result<PoolClient> connect(PoolPlace place, PoolMember member,
                                                  std::chrono::milliseconds patience = kPatience);

 private:
  struct State;
  explicit PoolClient(std::shared_ptr<State> state);
  State* mine() const;
  void leave();

  /// What the client and its slots share. Null once moved from.
  std::shared_ptr<State> state_;
};

}  // namespace jobslots
