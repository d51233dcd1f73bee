#pragma once

/// The process that is a pool: the loop around the policy.
///
/// It is started by the first who needs it, and ends when nobody has needed it for a while. Its
/// clients hold slots by their connections; no code of theirs runs in it. When it is killed, they
/// keep what they have and say so to the next one.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>

#include "jobslots/unique_fd.h"
#include "pool/fifo.h"
#include "pool/place.h"
#include "pool/pool.h"
#include "system/listener.h"
#include "system/peer.h"
#include "system/poller.h"

namespace jobslots {

class PoolServer {
 public:
  using Time = Pool::Time;

  /// Makes the place's socket and fifo. lock is the place's, and is held as long as this lives.
  /// follows_another: one was lost here, even if nothing is left of it.
  static Result<PoolServer> create(PoolPlace place, UniqueFd lock, unsigned job_slots, Time linger,
                                   bool follows_another);

  /// Serves until it has had no clients, and nobody has used its fifo, for `linger`, or its folder
  /// is removed. False where the system fails it before.
  bool run();

 private:
  enum class Source : unsigned { kListener, kFolder, kTokens, kSocket, kStayer };

  PoolServer(PoolPlace place, UniqueFd lock, UniqueFd listening, UniqueFd socket_file,
             UniqueFd folder_watch, PoolFifo fifo, Poller poller, Pool pool, Time linger);
  static Poller::Tag tag_of(Source source, std::uint64_t number = 0);

  void serve();
  void handle(Poller::Tag tag);
  void look_at_folder();
  void settle();
  std::optional<Time> wait_limit();
  void carry_out(const Pool::Send& send);
  void carry_out(const Pool::Drop& drop);
  void carry_out(const Pool::Watch& watch);
  Time linger() const;
  bool is_over();
  void leave_mark();

  PoolPlace place_;
  UniqueFd lock_;
  UniqueFd listening_;
  UniqueFd socket_file_;   ///< What listens is to be found by this.
  UniqueFd folder_watch_;  ///< inotify(7) of the folder and the fifo.
  PoolFifo fifo_;
  Poller poller_;
  Pool pool_;
  Time linger_;
  Listener listener_;
  std::map<Pool::ClientId, Peer> clients_;
  std::map<pid_t, UniqueFd> stayers_;
  Time now_;
  std::optional<Time> idle_since_;
  bool was_needed_ = false;
  /// The kernel tells of a closed file just before it is closed.
  std::optional<Time> look_again_;
  bool removed_ = false;            ///< Files of the place are not there any more, or others are.
  bool somebody_was_lost_ = false;  ///< As a message could not be sent.
};

}  // namespace jobslots
