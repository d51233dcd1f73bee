#include "broker/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "core/printable.h"

namespace jobslots {

Log::Log(const char* path) {
  if (path == nullptr || *path == '\0') return;
  file_ = UniqueFd(open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
}

void Log::client(std::chrono::nanoseconds now, Session::ClientId client, std::string_view what,
                 std::string_view text) const {
  if (!file_) return;
  std::string line =
      client == Session::kController ? "controller " : "client " + std::to_string(client) + " ";
  line.append(what);
  this->line(now, line, text);
}

void Log::line(std::chrono::nanoseconds now, std::string_view what, std::string_view text) const {
  if (!file_) return;
  std::array<char, 64> begin{};
  std::snprintf(begin.data(), begin.size(), "%.6f %d ", static_cast<double>(now.count()) / 1e9,
                static_cast<int>(getpid()));
  std::string line = begin.data();
  line.append(what);
  if (!text.empty()) line.append(" ").append(printable(text));
  line.push_back('\n');
  // One write to a file opened for appending is not torn, see open(2) on O_APPEND. A log that
  // cannot be written is not worth a word: there is nobody to say it to.
  [[maybe_unused]] const ssize_t written = write(file_.get(), line.data(), line.size());
}

}  // namespace jobslots
