#include "broker/trace_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

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

}  // namespace

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
  return TraceFile(std::move(file));
}

std::string TraceFile::append(std::string_view events) {
  if (events.empty()) return "";
  // The first one stands behind the opening bracket.
  const std::string text = (end_ == 1 ? "\n" : ",\n") + std::string(events);
  if (!write_all(file_.get(), text + std::string(kEnd), end_)) {
    const std::string why = std::strerror(errno);
    if (ftruncate(file_.get(), end_) == 0) write_all(file_.get(), kEnd, end_);
    return why;
  }
  end_ += static_cast<off_t>(text.size());
  return "";
}

}  // namespace jobslots
