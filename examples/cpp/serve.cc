// A jobserver: runs shell commands, and whatever they start, in N job slots together.
//     serve 4 'make -C one' 'make -C two' 'cargo build'
//     serve --pipe 4 ...     for a GNU make before 4.4

#include <jobslots/server.h>

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <variant>

#include "children.h"

int main(int argc, char** argv) {
  const bool pipe = argc > 1 && std::string_view(argv[1]) == "--pipe";
  const int first = pipe ? 2 : 1;
  if (argc <= first) {
    std::cerr << "usage: serve [--pipe] JOBS COMMAND...\n";
    return 2;
  }
  const auto job_slots = static_cast<unsigned>(std::strtoul(argv[first], nullptr, 10));
  auto made = pipe ? jobslots::Server::create_pipe(job_slots) : jobslots::Server::create(job_slots);
  if (const auto* why = std::get_if<jobslots::Unavailable>(&made)) {
    std::cerr << "serve: " << why->message() << '\n';
    return 1;
  }
  const auto& server = std::get<jobslots::Server>(made);
  auto opened = server.client();
  if (const auto* why = std::get_if<jobslots::Unavailable>(&opened)) {
    std::cerr << "serve: " << why->message() << '\n';
    return 1;
  }
  auto& client = std::get<jobslots::Client>(opened);
  setenv("MAKEFLAGS", server.makeflags().c_str(), 1);
  Children children;
  // The first command has the implicit slot of this program, each further one takes a token.
  for (int next = first + 1; next < argc || children.running();) {
    if (next == argc) {
      children.wait();
    } else if (auto slot = client.acquire(children.fd())) {
      children.start(std::move(*slot), argv[next++], [&server] {
        if (!server.keep_fds_on_exec()) _exit(126);
      });
    } else {
      children.remove_ended();
    }
  }
  return children.status();
}
