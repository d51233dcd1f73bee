#include "session/trace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace jobslots {
namespace {

constexpr std::string_view kEnd = "\n]\n";
constexpr std::string_view kEmpty = "[\n]\n";
/// How each trace of a session begins, see name_process().
constexpr std::string_view kBegin = "[\n{\"name\":\"process_name\"";

/// A JSON string. Node ids may hold any byte.
std::string quoted(std::string_view text) {
  using nlohmann::json;
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string microseconds(Trace::Time time) {
  std::array<char, 32> text{};
  const auto nanoseconds = static_cast<long long>(time.count());
  std::snprintf(text.data(), text.size(), "%lld.%03lld", nanoseconds / 1000, nanoseconds % 1000);
  return text.data();
}

bool write_all(int fd, std::string_view text, off_t offset) {
  while (!text.empty()) {
    const ssize_t count = pwrite(fd, text.data(), text.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
  return true;
}

/// Whether it was written here: any other file was hardly meant to be replaced by a trace, but is
/// the word that came behind the option by mistake.
bool is_trace(int fd) {
  std::array<char, kBegin.size()> begin{};
  const ssize_t size = pread(fd, begin.data(), begin.size(), 0);
  if (size < 0) return false;
  const std::string_view text(begin.data(), static_cast<std::size_t>(size));
  return text == kBegin || text == kEmpty;
}

}  // namespace

std::variant<Trace, std::string> Trace::open(const std::string& path, pid_t process) {
  // Not blocking, whatever kind of file it is.
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
  if (!file) return std::string(std::strerror(errno));
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return "it is not a file";
  // Other errors come from file systems without locks: there nobody can tell.
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return "another session writes to it: put %p into its name, for the number of the process";
  }
  if (status.st_size != 0 && !is_trace(file.get())) {
    return "it is a file of another kind: remove it, or give another name";
  }
  if (ftruncate(file.get(), 0) != 0 || !write_all(file.get(), kEmpty, 0)) {
    return std::string(std::strerror(errno));
  }
  Trace trace(std::move(file), process);
  trace.end_ = 1;
  return trace;
}

void Trace::begin_event(std::string_view name, char phase) {
  // The first one stands behind the opening bracket.
  events_ += end_ == 1 && events_.empty() ? "\n{\"name\":" : ",\n{\"name\":";
  events_ += quoted(name);
  events_ += ",\"ph\":\"";
  events_ += phase;
  events_ += "\",\"pid\":" + std::to_string(process_);
}

void Trace::name_process(std::string_view name, unsigned job_slots) {
  begin_event("process_name", 'M');
  events_ += ",\"tid\":0,\"args\":{\"name\":" + quoted(name) +
             ",\"job_slots\":" + std::to_string(job_slots) + "}}";
}

void Trace::name_worker(unsigned worker, std::string_view name) {
  begin_event("thread_name", 'M');
  events_ += ",\"tid\":" + std::to_string(worker) + ",\"args\":{\"name\":" + quoted(name) + "}}";
}

void Trace::span(unsigned worker, std::string_view category, std::string_view name, Time begin,
                 Time end, std::string_view outcome) {
  begin_event(name, 'X');
  events_ += ",\"tid\":" + std::to_string(worker) + ",\"cat\":" + quoted(category) +
             ",\"ts\":" + microseconds(begin) + ",\"dur\":" + microseconds(end - begin);
  if (!outcome.empty()) events_ += ",\"args\":{\"outcome\":" + quoted(outcome) + "}";
  events_ += "}";
}

void Trace::counter(std::string_view name, std::string_view unit, std::size_t value, Time time) {
  begin_event(name, 'C');
  events_ += ",\"ts\":" + microseconds(time) + ",\"args\":{" + quoted(unit) + ":" +
             std::to_string(value) + "}}";
}

std::string Trace::flush() {
  if (events_.empty()) return "";
  const auto size = static_cast<off_t>(events_.size());
  if (!write_all(file_.get(), events_ + std::string(kEnd), end_)) {
    const std::string why = std::strerror(errno);
    if (ftruncate(file_.get(), end_) == 0) write_all(file_.get(), kEnd, end_);
    return why;
  }
  end_ += size;
  events_.clear();
  return "";
}

}  // namespace jobslots
