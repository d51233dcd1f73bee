#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

namespace jobslots::fuzz {

/// An event of a script: the number of a client, what it does, and the rest of the line.
struct Event {
  std::size_t client = 0;
  char verb = 0;
  std::string_view text;
};

struct Line {
  std::optional<Event> event;
  bool at_once = false;  ///< It ends with "&": the next line comes before what follows from it.
};

/// A text with an event a line.
class Script {
 public:
  explicit Script(std::string_view text) : text_(text) {}

  bool over() const { return text_.empty(); }
  std::string_view next_text();
  Line next(std::size_t clients);

 private:
  std::string_view text_;
};

inline std::string_view Script::next_text() {
  const std::size_t size = std::min(text_.find('\n'), text_.size());
  const std::string_view line = text_.substr(0, size);
  text_.remove_prefix(std::min(size + 1, text_.size()));
  return line;
}

inline Line Script::next(std::size_t clients) {
  std::string_view text = next_text();
  Line line{std::nullopt, text.ends_with('&')};
  if (line.at_once) text.remove_suffix(1);
  if (text.size() >= 2) {
    line.event = {static_cast<unsigned char>(text[0]) % clients, text[1], text.substr(2)};
  }
  return line;
}

}  // namespace jobslots::fuzz
