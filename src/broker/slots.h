#pragma once

/// What a session's slots come from: found before the broker leaves its ancestors, opened
/// afterwards.

#include <memory>
#include <optional>
#include <variant>

#include "broker/slot_source.h"
#include "jobslots/pool_client.h"
#include "jobslots/token_source.h"
#include "pool/member.h"
#include "pool/place.h"
#include "system/job.h"
#include "system/poller.h"

namespace jobslots {

struct Slots {
  /// Of a jobserver that the environment names, or of a pool.
  std::variant<TokenSource, PoolClient> from;
  /// Whether there is an implicit slot for this session alone. Without it there may be one of the
  /// job, which it shares.
  bool own_implicit_slot = true;
  std::optional<Job> job{};

  bool is_pool() const { return std::holds_alternative<PoolClient>(from); }
  /// N of make's -jN or of the pool, 0 where that is not known.
  unsigned job_slots() const;
  /// Empty where they are a jobserver's.
  std::string pool_folder() const;
};

/// What this process is told of slots.
struct SlotsHere {
  Result<TokenSource> tokens;
  std::optional<Result<PoolPlace>> pool;
  std::optional<Job> job;
  bool implicit_slot;
};

/// Looks at the environment and at the ancestors. A jobserver that the environment names goes
/// before JOBSLOTS_POOL, but where it is the fifo of a pool, that is joined.
SlotsHere find_slots(const GetEnv& getenv = std::getenv);

/// Opens what was found, or says why that cannot be used. Where it is a pool that does not run, it
/// is started.
Result<Slots> open_slots(SlotsHere here, PoolMember session);

/// The poller must outlive the source, which watches by the tag.
std::unique_ptr<SlotSource> open_source(Poller& poller, Poller::Tag tag,
                                        std::variant<TokenSource, PoolClient> slots);

}  // namespace jobslots
