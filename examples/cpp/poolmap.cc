// A job queue where there is no make: runs a shell command for each argument, as many at once as
// the pool of this machine has slots left by others.
//     poolmap 'cc -c a.c' 'cc -c b.c' 'cc -c c.c'
// JOBSLOTS_POOL names another pool, by the path of its folder.

#include <jobslots/pool_client.h>

#include <cstdlib>
#include <iostream>
#include <variant>

#include "children.h"

int main(int argc, char** argv) {
  const char* const name = std::getenv("JOBSLOTS_POOL");
  auto found = jobslots::PoolClient::connect(name != nullptr ? name : "machine", "poolmap");
  if (const auto* why = std::get_if<jobslots::Unavailable>(&found)) {
    std::cerr << "poolmap: " << why->message() << '\n';
    return 1;
  }
  auto& pool = std::get<jobslots::PoolClient>(found);
  Children children;
  for (int next = 1; next < argc || children.running();) {
    pool.want(children.count() + static_cast<std::size_t>(argc - next));
    if (next == argc) {
      children.wait();
    } else if (auto slot = pool.acquire(children.fd())) {
      children.start(std::move(*slot), argv[next++], [] {});
    } else if (pool.lost()) {
      std::cerr << "poolmap: the pool has gone, and there is no other\n";
      while (children.running()) children.wait();
      return 1;
    } else {
      children.remove_ended();
    }
  }
  return children.status();
}
