#include "broker/trace_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "jobslots/unique_fd.h"

namespace jobslots {
namespace {

constexpr std::string_view kEnd = "\n]\n";
constexpr std::string_view kEmpty = "[\n]\n";
/// How each trace of a session begins, see TraceText::name_process().
constexpr std::string_view kBegin = "[\n{\"name\":\"process_name\"";

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

/// How long a write may take before it is not waited for.
constexpr std::chrono::milliseconds kWritePatience{50};
/// And at the trace's end.
constexpr std::chrono::milliseconds kEndPatience{2000};

}  // namespace

/// What the trace and its thread share.
struct TraceFile::Writer {
  explicit Writer(UniqueFd fd) : file(std::move(fd)) {}

  void run();
  std::string write(const std::string& events);
  bool idle() const { return queue.empty() && !writing; }

  UniqueFd file;
  off_t end = 1;  ///< Where the closing bracket is. The thread's alone.
  std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex:
  std::string queue;
  bool writing = false;
  bool closed = false;
  bool stalls = false;  ///< The last write was not waited for to its end.
  std::string failure;
};

void TraceFile::Writer::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return !queue.empty() || closed; });
    if (queue.empty()) return;
    const std::string events = std::exchange(queue, {});
    writing = true;
    lock.unlock();
    std::string why = write(events);
    lock.lock();
    writing = stalls = false;
    if (!why.empty()) failure = std::move(why);
    changed.notify_all();
    if (!failure.empty()) return;
  }
}

std::string TraceFile::Writer::write(const std::string& events) {
  // The first one stands behind the opening bracket.
  const std::string text = (end == 1 ? "\n" : ",\n") + events;
  if (!write_all(file.get(), text + std::string(kEnd), end)) {
    std::string why = std::strerror(errno);
    if (ftruncate(file.get(), end) == 0) write_all(file.get(), kEnd, end);
    return why;
  }
  end += static_cast<off_t>(text.size());
  return "";
}

std::variant<TraceFile, std::string> TraceFile::open(const std::string& path) {
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
  auto writer = std::make_shared<Writer>(std::move(file));
  try {
    std::thread([writer] { writer->run(); }).detach();
  } catch (const std::system_error& error) {
    return std::string(error.code().message());
  }
  return TraceFile(std::move(writer));
}

TraceFile::~TraceFile() {
  if (!writer_) return;  // Moved from.
  std::unique_lock lock(writer_->mutex);
  writer_->closed = true;
  writer_->changed.notify_all();
  const bool ended = writer_->changed.wait_for(
      lock, kEndPatience, [this] { return writer_->idle() || !writer_->failure.empty(); });
  if (ended) writer_->file.reset();  // And with it the lock.
}

std::string TraceFile::append(std::string_view events) {
  std::unique_lock lock(writer_->mutex);
  if (!events.empty() && writer_->failure.empty()) {
    if (writer_->queue.size() + events.size() > kQueueLimit) {
      writer_->failure = "its disk is too slow";
      return writer_->failure;
    }
    if (!writer_->queue.empty()) writer_->queue += ",\n";
    writer_->queue += events;
    writer_->changed.notify_all();
    if (!writer_->stalls) {
      writer_->stalls = !writer_->changed.wait_for(
          lock, kWritePatience, [this] { return writer_->idle() || !writer_->failure.empty(); });
    }
  }
  return writer_->failure;
}

}  // namespace jobslots
