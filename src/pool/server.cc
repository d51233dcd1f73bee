#include "pool/server.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

#include "system/clock.h"

namespace jobslots {
namespace {

constexpr unsigned kSourceBits = 3;

constexpr std::chrono::milliseconds kLookAgain{20};
constexpr std::chrono::seconds kFirstLinger{5};

Unavailable cannot_serve(const std::string& what) {
  return {Reason::kSystem, what + ": " + std::strerror(errno), kMakeRoom};
}

}  // namespace

Result<PoolServer> PoolServer::create(PoolPlace place, UniqueFd lock, unsigned job_slots,
                                      Time linger, bool follows_another) {
  // Who ends removes them, and the lock is ours: those that are there are a dead pool's.
  follows_another = follows_another || access(place.socket().c_str(), F_OK) == 0 ||
                    access(place.fifo().c_str(), F_OK) == 0;
  auto fifo = PoolFifo::open(place.fifo(), follows_another, job_slots);
  if (const auto* why = std::get_if<Unavailable>(&fifo)) return *why;
  unlink(place.socket().c_str());
  UniqueFd listening = listen_at(place.socket());
  if (!listening) return cannot_serve("no socket " + place.socket());
  UniqueFd socket_file(open(place.socket().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!socket_file) return cannot_serve("no socket " + place.socket());
  UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch ||
      inotify_add_watch(watch.get(), place.directory.c_str(),
                        IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVE_SELF | IN_ONLYDIR) <
          0 ||
      inotify_add_watch(watch.get(), place.fifo().c_str(), IN_CLOSE_WRITE) < 0) {
    return cannot_serve("no watch of " + place.directory);
  }
  auto poller = Poller::create();
  if (const auto* why = std::get_if<Unavailable>(&poller)) return *why;
  Pool pool(job_slots, place.fifo(), follows_another, monotonic_now());
  return PoolServer(std::move(place), std::move(lock), std::move(listening), std::move(socket_file),
                    std::move(watch), std::get<PoolFifo>(std::move(fifo)),
                    std::get<Poller>(std::move(poller)), std::move(pool), linger);
}

PoolServer::PoolServer(PoolPlace place, UniqueFd lock, UniqueFd listening, UniqueFd socket_file,
                       UniqueFd folder_watch, PoolFifo fifo, Poller poller, Pool pool, Time linger)
    : place_(std::move(place)),
      lock_(std::move(lock)),
      listening_(std::move(listening)),
      socket_file_(std::move(socket_file)),
      folder_watch_(std::move(folder_watch)),
      fifo_(std::move(fifo)),
      poller_(std::move(poller)),
      pool_(std::move(pool)),
      linger_(linger),
      now_(monotonic_now()) {}

Poller::Tag PoolServer::tag_of(Source source, std::uint64_t number) {
  return (number << kSourceBits) | static_cast<unsigned>(source);
}

bool PoolServer::run() {
  try {
    serve();
    return true;
  } catch (const std::exception&) {
    return false;  // The socket stays: the next pool is to know that this one has failed.
  }
}

void PoolServer::serve() {
  poller_.watch(folder_watch_.get(), kReadable, tag_of(Source::kFolder));
  look_at_folder();  // It may have been removed before it was watched.
  for (settle(); !is_over(); settle()) {
    listener_.watch(poller_, listening_.get(), tag_of(Source::kListener), now_);
    const auto events = poller_.wait(wait_limit());
    now_ = monotonic_now();
    for (const Poller::Tag event : events) handle(event);
  }
  if (removed_) {
    while (fifo_.try_take()) continue;  // A make that has it open gets no more from there.
    leave_mark();
  } else {
    unlink(place_.socket().c_str());
    unlink(place_.fifo().c_str());
  }
}

/// Several messages are handled before anything is decided.
void PoolServer::handle(Poller::Tag tag) {
  const std::uint64_t number = tag >> kSourceBits;
  switch (static_cast<Source>(tag & ((1U << kSourceBits) - 1))) {
    case Source::kListener:
      if (auto peer = listener_.accept(listening_.get(), now_)) {
        const Pool::ClientId client = pool_.connected(peer->pid());
        poller_.watch(peer->socket_fd(), kReadable, tag_of(Source::kSocket, client));
        clients_.emplace(client, std::move(*peer));
      }
      break;
    case Source::kFolder:
      look_at_folder();
      break;
    case Source::kTokens:  // settle() looks at them.
      break;
    case Source::kSocket: {
      const auto client = clients_.find(number);
      if (client == clients_.end()) break;
      const Peer::Received received = client->second.receive(pool::kMessageLimit);
      if (received.closed) {
        pool_.hung_up(number, now_);
      } else if (received.message) {
        pool_.said(number, *received.message, now_);
      }
      break;
    }
    case Source::kStayer: {
      const auto process = static_cast<pid_t>(number);
      poller_.unwatch(stayers_.at(process).get());
      stayers_.erase(process);
      pool_.process_ended(process);
      break;
    }
  }
}

void PoolServer::look_at_folder() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  ssize_t size = 0;
  while ((size = read(folder_watch_.get(), buffer.data(), buffer.size())) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_CLOSE_WRITE) != 0) look_again_ = now_ + kLookAgain;
    }
  }
  removed_ = !is_same_file(place_.lock(), lock_.get()) ||
             !is_same_file(place_.socket(), socket_file_.get()) || !fifo_.is_in_place();
}

void PoolServer::settle() {
  if (look_again_ && now_ >= *look_again_) look_again_.reset();
  if (fifo_.is_reading()) poller_.unwatch(fifo_.reading_fd());
  fifo_.rest();
  do {  // What somebody had who does not read is for others at once.
    somebody_was_lost_ = false;
    pool_.settle(fifo_, now_);
    while (const auto effect = pool_.next_effect()) {
      std::visit([this](const auto& one) { carry_out(one); }, *effect);
    }
  } while (somebody_was_lost_);
  if (pool_.wants_token()) {
    poller_.watch(fifo_.reading_fd(), kReadable, tag_of(Source::kTokens));
  } else {
    fifo_.rest();
  }
}

std::optional<PoolServer::Time> PoolServer::wait_limit() {
  auto until = pool_.again();
  const auto at = [&until](Time time) { until = std::min(until.value_or(time), time); };
  if (look_again_) at(*look_again_);
  if (const auto again = listener_.watch_again()) at(*again);
  if (idle_since_) at(*idle_since_ + linger());
  return until ? std::optional(*until - now_) : std::nullopt;
}

void PoolServer::carry_out(const Pool::Send& send) {
  const auto client = clients_.find(send.client);
  if (client != clients_.end() && !client->second.send(to_packet(send.message))) {
    pool_.undelivered(send.client, now_);
    somebody_was_lost_ = true;
  }
}

void PoolServer::carry_out(const Pool::Drop& drop) {
  const auto client = clients_.find(drop.client);
  if (client == clients_.end()) return;
  poller_.unwatch(client->second.socket_fd());
  clients_.erase(client);
  listener_.descriptor_freed();
}

void PoolServer::carry_out(const Pool::Watch& watch) {
  UniqueFd life = open_pidfd(watch.process);
  if (!life) {
    pool_.process_ended(watch.process);
  } else if (!stayers_.contains(watch.process)) {
    poller_.watch(life.get(), kReadable,
                  tag_of(Source::kStayer, static_cast<Poller::Tag>(watch.process)));
    stayers_.emplace(watch.process, std::move(life));
  }
}

/// Who has started it needs a while to connect.
PoolServer::Time PoolServer::linger() const {
  return was_needed_ ? linger_ : std::max(linger_, Time(kFirstLinger));
}

/// Also says since when nobody has needed the pool.
bool PoolServer::is_over() {
  if (removed_) return true;
  if (!pool_.idle()) {
    idle_since_.reset();
    was_needed_ = true;
    return false;
  }
  if (!idle_since_) idle_since_ = now_;
  if (now_ < *idle_since_ + linger()) return false;
  fifo_.rest();
  if (!fifo_.others()) return true;
  idle_since_ = now_;
  return false;
}

/// The next pool is to wait for those who have slots of this one.
void PoolServer::leave_mark() {
  if (!place_.prepare()) mkfifo(place_.fifo().c_str(), 0600);
}

}  // namespace jobslots
