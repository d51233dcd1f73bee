#include "system/allowance.h"
#include <cstdlib>
#include <thread>
namespace jobslots {
unsigned allowed_jobs() {
  const char* jobs = std::getenv("JOBSLOTS_JOBS");
  return jobs ? static_cast<unsigned>(std::atoi(jobs)) : std::thread::hardware_concurrency();
}
}
