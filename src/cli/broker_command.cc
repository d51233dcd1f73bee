#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "cli/commands.h"
#include "system/descriptors.h"
#include "system/processes.h"
#include "system/signals.h"

namespace jobslots {
namespace {

/// Lets the broker be nobody's child: this process ends at once.
constexpr std::string_view kDetach = "--detach";

constexpr const char* kNotByHand = "started by the pytest plugin, not by hand";

/// What the first worker needs: its socket and its pidfd.
constexpr std::size_t kDescriptorsOfAWorker = 2;

bool said_hello(Peer& controller) {
  pollfd readable{controller.socket_fd(), POLLIN, 0};
  poll(&readable, 1, -1);
  const auto message = parse(controller.receive(kMessageLimit).message.value_or(""));
  const auto* hello = message ? std::get_if<message::Hello>(&*message) : nullptr;
  return hello != nullptr && hello->role == message::Hello::Role::kController &&
         hello->version == kProtocolVersion;
}

/// What the broker serves with, beside its controller.
struct Parts {
  Slots slots;
  Rendezvous rendezvous;
  Poller poller;
};

/// The descriptors that are in use from here on.
std::vector<int> descriptors_of(const SlotsHere& here, const Peer& controller) {
  std::vector<int> kept{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, controller.life_fd()};
  if (const auto* source = std::get_if<TokenSource>(&here.tokens)) {
    kept.insert(kept.end(), {source->read_fd(), source->write_fd()});
  }
  if (here.job) kept.push_back(here.job->life.get());
  return kept;
}

/// What cannot be had is missing here, not later.
Result<Parts> get_parts(SlotsHere here, PoolMember session) {
  auto slots = open_slots(std::move(here), std::move(session));
  if (const auto* why = std::get_if<Unavailable>(&slots)) return *why;
  auto rendezvous = Rendezvous::create(getenv("TMPDIR"));
  if (const auto* why = std::get_if<Unavailable>(&rendezvous)) return *why;
  if (auto* pool = std::get_if<PoolClient>(&std::get<Slots>(slots).from)) {
    pool->set_socket(std::get<Rendezvous>(rendezvous).socket_path());
  }
  auto poller = Poller::create();
  if (const auto* why = std::get_if<Unavailable>(&poller)) return *why;
  if (!can_open_descriptors(kDescriptorsOfAWorker)) {
    return Unavailable{Reason::kSystem, "too few descriptors are allowed (ulimit -n)"};
  }
  return Parts{std::get<Slots>(std::move(slots)), std::get<Rendezvous>(std::move(rendezvous)),
               std::get<Poller>(std::move(poller))};
}

int serve(Peer controller, Parts parts, std::string folder) {
  if (const auto* pool = std::get_if<PoolClient>(&parts.slots.from)) {
    controller.send(to_packet(message::Pool{pool->directory()}));
  }
  controller.send(to_packet(
      message::WelcomeController{parts.slots.job_slots(), parts.rendezvous.socket_path()}));
  Broker broker(std::move(controller), std::move(parts.slots), std::move(parts.rendezvous),
                std::move(parts.poller), Log(getenv(Log::kVariable)), std::move(folder));
  return broker.run() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int broker_command(Arguments arguments) {
  const bool detach = arguments.size() == 1 && arguments.front() == kDetach;
  if ((!arguments.empty() && !detach) || !is_packet_socket(STDIN_FILENO)) {
    throw UsageError(kNotByHand);
  }
  ignore_all_signals_but_faults();
  setsid();
  allow_many_descriptors();
  // First of all: what is opened here takes numbers that MAKEFLAGS may name as descriptors, and the
  // path of a fifo there may be relative.
  auto here = find_slots();
  const std::string folder = current_folder();
  PoolMember session{
      .role = pool::Hello::Role::kSession, .weight = weight_here(), .folder = folder};
  // Who waits for all children of the controller, or ends them, does not mean this one. From here
  // on its ancestors are not known any more.
  if (detach && fork() != 0) return EXIT_SUCCESS;
  if (chdir("/") != 0) return EXIT_FAILURE;  // Keeps no file system busy.
  Peer controller{UniqueFd(STDIN_FILENO)};
  if (!said_hello(controller)) throw UsageError(kNotByHand);
  close_all_descriptors_but(descriptors_of(here, controller));
  auto parts = get_parts(std::move(here), std::move(session));
  if (const auto* why = std::get_if<Unavailable>(&parts)) {
    controller.send(
        to_packet(message::Unavailable{std::string(name_of(why->reason)), why->message()}));
    return EXIT_FAILURE;
  }
  return serve(std::move(controller), std::get<Parts>(std::move(parts)), folder);
}

}  // namespace jobslots
