#include "system/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "core/words.h"

namespace jobslots {
namespace {

// Of the alternate screen, and of the cursor: xterm's, which all terminals of today know.
constexpr std::string_view kTake = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kRestore = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kEraseLine = "\x1b[K";
constexpr std::string_view kEraseBelow = "\x1b[J";

bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
    if (size < 0 && errno != EINTR) return false;
    if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

TerminalSize terminal_size() {
  TerminalSize size;
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    return {window.ws_col, window.ws_row};
  }
  const char* const text = std::getenv("COLUMNS");
  const auto columns = text == nullptr ? std::nullopt : number_of<std::size_t>(text);
  if (columns && *columns > 0) size.columns = *columns;
  return size;
}

void Terminal::take() {
  termios settings{};
  if (tcgetattr(STDIN_FILENO, &settings) == 0) {
    before_ = settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &settings);
  }
  write_all(kTake);
}

void Terminal::restore() {
  write_all(kRestore);
  if (before_) tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

bool Terminal::paint(const std::vector<std::string>& lines) {
  std::string text(kHome);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\r\n";
    text += lines[i];
    text += kEraseLine;
  }
  text += kEraseBelow;
  return write_all(text);
}

std::optional<std::string> Terminal::keys() {
  std::array<char, 256> buffer{};
  const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
  if (size > 0) return std::string(buffer.data(), static_cast<std::size_t>(size));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::string();
  return std::nullopt;
}

int Terminal::keys_fd() const { return before_ ? STDIN_FILENO : -1; }

}  // namespace jobslots
