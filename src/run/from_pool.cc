#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "jobslots/makeflags.h"
#include "jobslots/pool_client.h"
#include "jobslots/unique_fd.h"
#include "pool/member.h"
#include "pool/place.h"
#include "run/provision.h"
#include "system/job.h"
#include "system/job_claim.h"
#include "system/processes.h"

namespace jobslots {
namespace {

/// Between two tries to reach a pool that has gone, and how long one of them may take.
constexpr std::chrono::milliseconds kConnectPause{200};
constexpr std::chrono::milliseconds kConnectPatience{500};

/// The implicit slot of the job that this program belongs to, as it is started by a test of a
/// session of this pool, or below another `jobslots run`: where nobody else has it, it is the
/// command's.
class JobsSlot {
 public:
  explicit JobsSlot(int folder) : job_(find_job(this_and_ancestors(), folder, Makes::kDoNotCount)) {
    auto poller = Poller::create();
    if (!job_ || std::holds_alternative<Unavailable>(poller)) return;
    poller_.emplace(std::get<Poller>(std::move(poller)));
    claim_.emplace(*poller_, 0, job_->name);
    if (!claim_->try_to_hold(JobClaim::Time(0))) claim_.reset();
  }
  bool held() const { return claim_.has_value(); }

 private:
  static std::vector<Process> this_and_ancestors() {
    std::vector<Process> processes = ancestors();
    if (auto self = read_process(getpid())) processes.insert(processes.begin(), std::move(*self));
    return processes;
  }

  std::optional<Job> job_;
  std::optional<Poller> poller_;
  std::optional<JobClaim> claim_;
};

/// One slot of a pool for the command itself; what it starts takes more from the pool's fifo.
class FromPool : public Provision {
 public:
  FromPool(const GetEnv& getenv, PoolPlace place, PoolClient pool)
      : getenv_(getenv), place_(std::move(place)), pool_(std::move(pool)) {
    // So that find_job() sees who has the slots of those below, whether they know of a pool or of
    // its fifo. Neither end of the fifo is open by that: this process takes nothing from it.
    folder_ = UniqueFd(open(place_.directory.c_str(), O_PATH | O_CLOEXEC));
    fifo_ = UniqueFd(open(place_.fifo().c_str(), O_PATH | O_CLOEXEC));
    jobs_slot_.emplace(folder_.get());
    if (!jobs_slot_->held()) pool_.want(1);
  }

  Result<bool> take_slot(int interrupted) override {
    if (jobs_slot_->held()) return true;
    if (auto slot = pool_.acquire(interrupted)) {
      slot_ = std::move(slot);
      return true;
    }
    if (!pool_.lost()) return false;
    if (auto why = pool_.reconnect()) return *why;
    return take_slot(interrupted);
  }

  Variables variables() const override {
    Variables variables =
        variables_for(getenv_, to_makeflags({FifoAuth{place_.fifo()}, pool_.job_slots()}));
    variables[kPoolVariable] = place_.directory;
    variables[kImplicitSlotVariable] = "yes";
    return variables;
  }
  bool prepare_exec() const override { return true; }

  int watched() const override { return pool_.lost() ? -1 : pool_.fd(); }
  int look_after() const override {
    return pool_.lost() ? static_cast<int>(kConnectPause.count()) : -1;
  }
  /// The command keeps its slot to its end, whatever the pool asks for, and whether it dies.
  void look() override {
    pool_.receive();
    if (pool_.lost()) static_cast<void>(pool_.reconnect(kConnectPatience));
  }

  std::string finish() override {
    slot_.reset();
    return "";
  }

 private:
  GetEnv getenv_;
  PoolPlace place_;
  PoolClient pool_;
  std::optional<JobsSlot> jobs_slot_;
  std::optional<Slot> slot_;
  UniqueFd folder_;
  UniqueFd fifo_;
};

}  // namespace

Result<std::unique_ptr<Provision>> slot_of_pool(const GetEnv& getenv, std::string_view word,
                                                const std::string& title) {
  auto place = PoolPlace::named(word, getenv);
  if (const auto* why = std::get_if<Unavailable>(&place)) return *why;
  PoolMember member{.role = pool::Hello::Role::kCommand,
                    .weight = weight_here(getenv),
                    .title = title,
                    .folder = current_folder()};
  auto pool = PoolClient::connect(std::get<PoolPlace>(place), std::move(member));
  if (const auto* why = std::get_if<Unavailable>(&pool)) return *why;
  return std::make_unique<FromPool>(getenv, std::get<PoolPlace>(std::move(place)),
                                    std::get<PoolClient>(std::move(pool)));
}

}  // namespace jobslots
