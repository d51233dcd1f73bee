#include "broker/implicit_slot.h"

#include <utility>

namespace jobslots {

ImplicitSlot::ImplicitSlot(Poller& poller, Poller::Tag claim_tag, Poller::Tag job_tag,
                           const Log& log, std::optional<Job> job)
    : poller_(poller), job_tag_(job_tag), log_(log), job_(std::move(job)) {
  if (job_) claim_.emplace(poller_, claim_tag, job_->name);
}

void ImplicitSlot::watch() {
  if (job_ && job_->life) poller_.watch(job_->life.get(), kReadable, job_tag_);
}

void ImplicitSlot::share(Session& session, Time now) {
  if (!claim_) return;
  if (!claim_->held() && session.wants_implicit_slot()) {
    if (!claim_->try_to_hold(now)) return;
    log_.line(now, "has the job's implicit slot");
    session.implicit_slot_gained(now);
  } else if (claim_->held() && session.can_spare_implicit_slot() && claim_->others_wait()) {
    log_.line(now, "gives up the job's implicit slot");
    session.implicit_slot_lost(now);
    claim_->give_up();
  } else if (!claim_->held()) {
    claim_->stop_waiting();
  }
}

void ImplicitSlot::job_ended(Session& session, Time now) {
  log_.line(now, "the job has ended, and with it the implicit slot");
  poller_.unwatch(job_->life.get());
  claim_.reset();
  session.implicit_slot_lost(now);
}

}  // namespace jobslots
