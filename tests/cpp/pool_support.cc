#include "pool_support.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "pool/server.h"

namespace jobslots::test {
namespace {

int serve(const PoolPlace& place, unsigned job_slots, int report) {
  if (place.prepare()) return 1;
  UniqueFd lock(open(place.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return 2;
  auto server =
      must(PoolServer::create(place, std::move(lock), job_slots, std::chrono::hours(1), false));
  if (write(report, "+", 1) != 1) return 3;
  return server.run() ? 0 : 4;
}

}  // namespace

TestPool::TestPool(unsigned job_slots)
    : report_(make_pipe()),
      process_([this, job_slots] { return serve(place_, job_slots, report_.second.get()); }),
      program_("PATH", std::filesystem::path(JOBSLOTS_EXECUTABLE).parent_path().c_str()),
      linger_("JOBSLOTS_POOL_LINGER", "1"),
      jobs_("JOBSLOTS_JOBS", std::to_string(job_slots).c_str()) {
  report_.second.reset();
  char ready = 0;
  if (!wait_readable(report_.first.get()) || read(report_.first.get(), &ready, 1) != 1) {
    throw std::runtime_error("no pool");
  }
}

TestPool::~TestPool() {
  process_.kill_and_wait();
  const UniqueFd lock(open(place_.lock().c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(eventually([&lock] { return flock(lock.get(), LOCK_EX | LOCK_NB) == 0; }));
}

bool eventually(PoolClient& client, const std::function<bool()>& condition) {
  for (client.receive(); !condition(); client.receive()) {
    if (client.lost() || !wait_readable(client.fd())) return condition();
  }
  return true;
}

}  // namespace jobslots::test
