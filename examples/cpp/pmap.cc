// A job queue: runs a shell command for each argument, as many at once as make has job slots.
//     make -j3, with a recipe such as: +pmap 'cc -c a.c' 'cc -c b.c' 'cc -c c.c'

#include <jobslots/client.h>

#include <iostream>
#include <variant>

#include "children.h"

int main(int argc, char** argv) {
  auto found = jobslots::Client::from_environment();
  if (const auto* why = std::get_if<jobslots::Unavailable>(&found)) {
    std::cerr << "pmap: " << why->message() << '\n';
    return 1;
  }
  auto& client = std::get<jobslots::Client>(found);
  Children children;
  for (int next = 1; next < argc || children.running();) {
    if (next == argc) {
      children.wait();
    } else if (auto slot = client.acquire(children.fd())) {
      children.start(std::move(*slot), argv[next++], [] {});
    } else {
      children.remove_ended();
    }
  }
  return children.status();
}
