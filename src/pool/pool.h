#pragma once

/// A pool of job slots that everything which a user starts on a machine may share: who its clients
/// are, what they say, and who gets which slot. Pure, like the session: events in, effects out.
///
/// Slots that nobody has lie as tokens in the pool's fifo, from where make, ninja and others take
/// them unseen. What a client gets comes from there, and goes back there where no other client
/// waits. So the pool's N slots are those in the fifo, those of its clients, and those that others
/// have; what is missing when nobody else has the fifo open any more has died with somebody, and is
/// made anew.

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pool/pool_ledger.h"
#include "pool/protocol.h"

namespace jobslots {

/// The fifo of a pool, as its policy sees it.
class PoolStore {
 public:
  virtual ~PoolStore() = default;
  virtual std::size_t count() const = 0;
  /// Whether somebody else has the fifo open, and may have tokens.
  virtual bool others() const = 0;
  /// False where others were quicker.
  virtual bool try_take() = 0;
  virtual void put(std::size_t count) = 0;
};

class Pool {
 public:
  using ClientId = PoolLedger::ClientId;
  using Time = PoolLedger::Time;

  /// After a courtesy nothing is taken from the fifo for so long: who sleeps in read(2) on it needs
  /// it to wake up.
  static constexpr Time kCourtesyPause = std::chrono::milliseconds(1);
  /// How long a pool that follows one which was killed waits for those that have slots of that.
  static constexpr Time kGrace = std::chrono::seconds(2);
  /// How often to look whether there are more tokens in the fifo, where there are some that are to
  /// stay there.
  static constexpr Time kLookForMore = std::chrono::milliseconds(100);

  struct Send {
    ClientId client;
    pool::ToClient message;
  };
  /// The client is forgotten; its connection is to be closed.
  struct Drop {
    ClientId client;
  };
  /// process_ended() is to tell when the process has.
  struct Watch {
    pid_t process;
  };
  using Effect = std::variant<Send, Drop, Watch>;

  /// fifo is the path of the store's fifo. follows_another: a pool was here that has been killed.
  Pool(unsigned job_slots, std::string fifo, bool follows_another, Time now);

  ClientId connected(pid_t process);
  void said(ClientId client, std::string_view packet, Time now);
  void hung_up(ClientId client, Time now);
  /// A message could not be sent: the client does not read.
  void undelivered(ClientId client, Time now) { hung_up(client, now); }
  void process_ended(pid_t process) { stayers_.erase(process); }

  /// Gives out what is free. To be called after each event, and at again().
  void settle(PoolStore& store, Time now);
  std::optional<Time> again() const { return again_; }
  /// Whether the next token that comes into the fifo, which is empty, is of use.
  bool wants_token() const { return wants_token_; }

  std::optional<Effect> next_effect();

  /// Whether nobody is there for whom the pool is to be there.
  bool idle() const { return stayers_.empty() && ledger_.clients() == 0; }

 private:
  struct Client {
    pid_t process = 0;
    std::optional<pool::Hello::Role> role{};  ///< Once it has said hello.
    std::string title{};
    std::string folder{};
    std::string socket{};
  };

  void greet(ClientId id, const pool::Hello& hello, Time now);
  void hear(ClientId id, Client& client, const pool::FromClient& message, Time now);
  void refuse(ClientId client, std::string why, Time now);
  void count_slots(PoolStore& store, bool others);
  void grant(PoolStore& store, Time now);
  void ask_back(bool others_unseen, Time now);
  void be_asked_again(Time time);
  void send(ClientId client, pool::ToClient message) {
    effects_.push_back(Send{client, std::move(message)});
  }
  void describe(ClientId observer, const PoolStore& store, Time now);

  unsigned job_slots_;
  std::string fifo_;
  Time grace_until_ = Time::min();
  PoolLedger ledger_;
  std::map<ClientId, Client> clients_;
  std::set<pid_t> stayers_;
  ClientId next_id_ = 1;
  std::size_t in_hand_ = 0;          ///< Given back, and neither in the fifo nor granted yet.
  std::vector<ClientId> to_settle_;  ///< Whose wants are to be answered, once each.
  std::set<ClientId> to_describe_;   ///< Who has asked for the status.
  std::optional<Time> courtesy_at_;
  Time pause_until_ = Time::min();
  bool wants_token_ = false;
  std::optional<Time> again_;
  std::deque<Effect> effects_;
};

}  // namespace jobslots
