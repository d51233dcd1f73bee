#include <dirent.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "cli/commands.h"
#include "session/protocol.h"

namespace jobslots {
namespace {

constexpr const char* kNotByHand = "started by the pytest plugin, not by hand";

/// What a terminal, a closing session, a dying peer or a limit on files (of the trace) sends must
/// not end the process that holds the tokens: it ends by itself when the session does.
void ignore_signals() {
  for (const int number :
       {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ}) {
    std::signal(number, SIG_IGN);
  }
}

/// Each worker takes two descriptors.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Inherited descriptors may be a log file or the pipe that somebody reads to its end: they must
/// not stay open as long as this process lives.
void close_all_but(const std::vector<int>& kept) {
  std::vector<int> open;
  if (DIR* directory = opendir("/proc/self/fd")) {
    const int own = dirfd(directory);
    while (const dirent* entry = readdir(directory)) {
      const int fd = std::atoi(entry->d_name);  // "." and ".." give 0, which is kept.
      if (fd != own && std::ranges::find(kept, fd) == kept.end()) open.push_back(fd);
    }
    closedir(directory);
  }
  for (const int fd : open) close(fd);
}

bool is_packet_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

bool said_hello(Peer& controller) {
  pollfd readable{controller.socket_fd(), POLLIN, 0};
  poll(&readable, 1, -1);
  const std::string hello = "hello " + std::to_string(kProtocolVersion) + " controller";
  return controller.receive(kMessageLimit).message == hello;
}

Result<Broker> open_broker(Result<TokenSource> tokens, Peer controller) {
  const auto fail = [&controller](const Unavailable& why) {
    controller.send("unavailable " + std::to_string(kProtocolVersion) + " " +
                    std::string(name_of(why.reason)) + " " + why.message());
    return why;
  };
  if (const auto* why = std::get_if<Unavailable>(&tokens)) return fail(*why);
  auto& source = std::get<TokenSource>(tokens);
  close_all_but({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, controller.life_fd(), source.read_fd(),
                 source.write_fd()});
  auto rendezvous = Rendezvous::create(getenv("TMPDIR"));
  if (const auto* why = std::get_if<Unavailable>(&rendezvous)) return fail(*why);
  auto& place = std::get<Rendezvous>(rendezvous);
  controller.send("welcome " + std::to_string(kProtocolVersion) + " " +
                  std::to_string(source.makeflags().job_slots.value_or(0)) + " " +
                  place.socket_path());
  return Broker(std::move(controller), std::move(source), std::move(place));
}

}  // namespace

int broker_command(Arguments arguments) {
  if (!arguments.empty() || !is_packet_socket(STDIN_FILENO)) throw UsageError(kNotByHand);
  ignore_signals();
  setsid();
  allow_many_descriptors();
  // First of all: what is opened here takes numbers that MAKEFLAGS may name as descriptors, and the
  // path of a fifo there may be relative.
  auto tokens = TokenSource::from_environment();
  if (chdir("/") != 0) return EXIT_FAILURE;  // Keeps no file system busy.
  Peer controller{UniqueFd(STDIN_FILENO)};
  if (!said_hello(controller)) throw UsageError(kNotByHand);
  auto broker = open_broker(std::move(tokens), std::move(controller));
  if (std::holds_alternative<Unavailable>(broker)) return EXIT_FAILURE;
  std::get<Broker>(broker).run();
  return EXIT_SUCCESS;
}

}  // namespace jobslots
