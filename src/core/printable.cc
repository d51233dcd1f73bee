#include "core/printable.h"

#include <algorithm>

namespace jobslots {

std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool ascii_control = byte < 0x20 || byte == 0x7f;
    // 0xc2 leads in U+0080 to U+00bf; after a byte of ASCII it belongs to no character at all.
    const bool high_control = byte >= 0x80 && byte < 0xa0 && (before == 0xc2 || before < 0x80);
    if (ascii_control || high_control) {
      result += "\\x";
      result += kDigits[byte >> 4U];
      result += kDigits[byte & 0xfU];
    } else {
      result += c;
    }
    before = byte;
  }
  return result;
}

std::string shortened(const std::string& text, std::size_t limit) {
  constexpr std::string_view kGap = "...";
  if (text.size() <= limit) return text;
  const auto within_character = [&text](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80;
  };
  const std::size_t kept = limit - std::min(limit, kGap.size());
  std::size_t begin = kept - kept / 3;
  std::size_t end = text.size() - kept / 3;
  while (begin > 0 && within_character(begin)) --begin;
  while (within_character(end)) ++end;
  return text.substr(0, begin) + std::string(kGap) + text.substr(end);
}

}  // namespace jobslots
