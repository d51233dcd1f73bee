#include "status/columns.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/printable.h"

namespace jobslots {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

/// The blocks of Unicode whose characters take two columns (East Asian Width W or F), roughly.
constexpr std::array kWide{
    Range{0x1100, 0x115f},   Range{0x2e80, 0x303e},   Range{0x3041, 0xa4cf},
    Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},   Range{0xfe30, 0xfe6f},
    Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},   Range{0x1f300, 0x1f64f},
    Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1f9ff}, Range{0x20000, 0x3fffd}};

/// Those that take none: marks, joiners, and marks of direction.
constexpr std::array kNone{Range{0x0300, 0x036f}, Range{0x200b, 0x200f}, Range{0x202a, 0x202e},
                           Range{0x2060, 0x2069}, Range{0x20d0, 0x20ff}, Range{0xfe00, 0xfe0f}};

template <class Ranges>
bool is_in(char32_t character, const Ranges& ranges) {
  return std::ranges::any_of(ranges, [character](const Range& range) {
    return range.first <= character && character <= range.last;
  });
}

struct Character {
  std::string_view bytes;
  std::size_t columns;
};

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80; }

/// The first character of a text that is not empty; a byte that begins none stands for itself.
Character first_of(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const std::string_view rest = text.substr(1, size - 1);
  if (size == 1 || rest.size() < size - 1 || !std::ranges::all_of(rest, continues)) {
    return {text.substr(0, 1), 1};
  }
  char32_t character = first & (0xffU >> (size + 1));
  for (const char byte : rest)
    character = (character << 6U) | (static_cast<unsigned char>(byte) & 0x3fU);
  return {text.substr(0, size), is_in(character, kNone) ? 0U : is_in(character, kWide) ? 2U : 1U};
}

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> characters;
  for (; !text.empty(); text.remove_prefix(characters.back().bytes.size())) {
    characters.push_back(first_of(text));
  }
  return characters;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const Character& character : characters_of(text)) columns += character.columns;
  return columns;
}

std::string fitted(std::string_view text, std::size_t columns) {
  constexpr std::string_view kGap = "...";
  const std::string shown = printable(text);
  const std::size_t size = columns_of(shown);
  if (size <= columns) return shown + std::string(columns - size, ' ');
  const std::string_view gap = kGap.substr(0, columns);
  const std::size_t kept = columns - gap.size();
  const std::vector<Character> characters = characters_of(shown);
  std::string begin;
  std::size_t used = 0;
  for (const Character& character : characters) {
    if (used + character.columns > kept / 2) break;
    begin += character.bytes;
    used += character.columns;
  }
  std::size_t end = shown.size();
  for (auto at = characters.rbegin(); at != characters.rend(); ++at) {
    if (used + at->columns > kept) break;
    end -= at->bytes.size();
    used += at->columns;
  }
  return begin + std::string(gap) + shown.substr(end) + std::string(kept - used, ' ');
}

}  // namespace jobslots
