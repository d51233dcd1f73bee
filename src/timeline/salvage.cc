#include "timeline/salvage.h"

#include <algorithm>

namespace jobslots::timeline {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// Where the events begin, or npos.
std::size_t first_event(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return begin;
  if (text[begin] == '[') return begin + 1;
  constexpr std::string_view kEvents = "\"traceEvents\"";
  const std::size_t key = text[begin] == '{' ? text.find(kEvents) : std::string_view::npos;
  if (key == std::string_view::npos) return key;
  const std::size_t array = text.find_first_not_of(" \t\r\n:", key + kEvents.size());
  return array != std::string_view::npos && text[array] == '[' ? array + 1 : std::string_view::npos;
}

/// Behind the brace that closes the one at begin; npos where there is none, or a line ends within a
/// string before that, where no line may end.
std::size_t end_of_object(std::string_view text, std::size_t begin) {
  bool in_string = false;
  int depth = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      if (c == '\n') return std::string_view::npos;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// What is behind the last event of an array: nothing, or the rest of the object that it is in.
bool ends_well(std::string_view rest, bool in_object) {
  const std::size_t last = rest.find_last_not_of(kBlanks);
  if (!in_object) return last == std::string_view::npos;
  return last != std::string_view::npos && rest[last] == '}';
}

}  // namespace

Salvaged salvage(std::string_view text, const std::function<bool(std::string_view)>& event) {
  // Each may cost a look at the whole rest. What has more of them is no trace.
  constexpr int kMostUnclosed = 1000;
  Salvaged salvaged;
  int unclosed = 0;
  const bool in_object = text.substr(0, first_event(text)).find('{') != std::string_view::npos;
  std::size_t at = std::min(first_event(text), text.size());
  while (at < text.size() && unclosed < kMostUnclosed) {
    at = text.find_first_not_of(" \t\r\n,", at);
    if (at == std::string_view::npos) break;
    if (text[at] == ']') {
      salvaged.complete = ends_well(text.substr(at + 1), in_object);
      salvaged.byte = at + 2;
      return salvaged;
    }
    const std::size_t end = text[at] == '{' ? end_of_object(text, at) : std::string_view::npos;
    const bool closed = end != std::string_view::npos;
    if (closed && event(text.substr(at, end - at))) {
      at = end;
      continue;
    }
    // Where it is of several lines it may have lost a brace, and have those of others.
    const std::size_t line_end = text.find('\n', at);
    if (!closed && line_end == std::string_view::npos) break;
    ++salvaged.passed;
    if (closed && end <= line_end) {
      at = end;
    } else {
      ++unclosed;
      at = line_end + 1;
    }
  }
  salvaged.byte = std::min(at, text.size()) + 1;
  return salvaged;
}

}  // namespace jobslots::timeline
