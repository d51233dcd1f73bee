#pragma once

/// A terminal that one program has for itself: standard output shows what it paints, standard input
/// tells keys, if it is a terminal too. See console_codes(4).

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace jobslots {

struct TerminalSize {
  std::size_t columns = 200;
  std::size_t rows = 24;
};

/// That of standard output; where it is no terminal, as many columns as COLUMNS says, else enough
/// for most lines.
TerminalSize terminal_size();

class Terminal {
 public:
  /// Shows an empty screen without a cursor, and keys come at once and unseen.
  Terminal() { take(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  /// All is as it was.
  ~Terminal() { restore(); }

  void take();
  void restore();

  /// Shows these lines, none of them longer than the screen is wide. False where the terminal has
  /// gone.
  bool paint(const std::vector<std::string>& lines);
  /// What has been typed since the last time; nothing where no more can come.
  std::optional<std::string> keys();
  /// Readable when there are keys; negative where standard input is no terminal.
  int keys_fd() const;

 private:
  std::optional<termios> before_;  ///< Of standard input.
};

}  // namespace jobslots
