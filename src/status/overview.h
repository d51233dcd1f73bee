#pragma once

/// Who has which job slots on this machine, as it was told by a pool and by the brokers of
/// sessions. A value: inquiry.h asks for it, text.h shows it.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/status.h"

namespace jobslots {

/// What a pool says of itself, see docs/status.md.
struct PoolOverview {
  std::string folder;
  std::string fifo;
  unsigned job_slots = 0;
  std::size_t free = 0;
  std::size_t held = 0;    ///< By its clients.
  std::size_t others = 0;  ///< With those who take tokens from its fifo.
  bool answers = false;    ///< Else nothing is known of it but that it is there.
};

/// Who has slots: a session of pytest, or another client of the pool.
struct Holder {
  /// What only a pool knows of its clients.
  struct Share {
    unsigned weight = 1;
    double used = 0;   ///< Slot-seconds, halved every ten seconds.
    double since = 0;  ///< Seconds since it got or gave back a slot, or began to wait.
  };

  std::string kind = "session";  ///< Or "command", "program".
  long process = 0;              ///< The broker of a session; else who has connected to the pool.
  std::string socket{};          ///< Where a session's broker can be asked.
  std::string title{};
  std::string folder{};
  std::string pool{};  ///< The folder of its pool; empty under another jobserver.
  std::size_t held = 0;
  std::size_t wanted = 0;  ///< Those included that it has.
  std::optional<Share> share{};
  std::optional<SessionStatus> session{};  ///< What its broker has said.
};

struct Overview {
  std::optional<PoolOverview> pool;
  std::vector<Holder> holders;

  bool empty() const { return !pool && holders.empty(); }
};

/// What a pool in this folder says, in its messages `pool JSON` and `client JSON`. Nothing where
/// it is something else.
std::optional<PoolOverview> pool_of_json(std::string_view json, std::string folder);
std::optional<Holder> client_of_json(std::string_view json, std::string folder);

/// What the broker has said goes to its holder, whose title and figures are taken from there where
/// no pool has told them.
void add_session(Holder& holder, SessionStatus session);

/// All of it as one JSON object, with a line end: docs/status.md describes the fields.
std::string json_report(const Overview& overview);

}  // namespace jobslots
