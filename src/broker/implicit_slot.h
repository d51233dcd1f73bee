#pragma once

/// The session's share in the implicit slot of its job: it has the slot when there is something to
/// do for it, unless another session of the job has it.

#include <optional>

#include "broker/log.h"
#include "session/session.h"
#include "system/job.h"
#include "system/job_claim.h"
#include "system/poller.h"

namespace jobslots {

class ImplicitSlot {
 public:
  using Time = Session::Time;

  /// Without a job the session has the slot from the beginning, and shares it with nobody. The
  /// poller and the log must outlive this; the tags are what it is told of.
  ImplicitSlot(Poller& poller, Poller::Tag claim_tag, Poller::Tag job_tag, const Log& log,
               std::optional<Job> job);

  /// Begins to watch the job. Throws as Poller::watch() does, and so do the others.
  void watch();
  /// After each event, and at try_again(): the first session of a job that has something to do has
  /// the slot. It passes on when that session has nothing to do with it, or ends.
  void share(Session& session, Time now);
  std::optional<Time> try_again() const { return claim_ ? claim_->try_again() : std::nullopt; }
  /// The job has ended: make has the slot back, whoever is left.
  void job_ended(Session& session, Time now);

 private:
  Poller& poller_;
  Poller::Tag job_tag_;
  const Log& log_;
  std::optional<Job> job_;
  std::optional<JobClaim> claim_;
};

}  // namespace jobslots
