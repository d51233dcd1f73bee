#pragma once

/// Texts of words that are separated by one blank.

#include <charconv>
#include <optional>
#include <string_view>

namespace jobslots {

/// Takes the word at the text's begin off it, with the blank behind it.
inline std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  if (!text.empty()) text.remove_prefix(1);
  return word;
}

/// A number of nothing but decimal digits, as std::to_string writes it, that fits.
template <class Number>
std::optional<Number> number_of(std::string_view word) {
  Number number{};
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, number);
  const bool canonical = word.size() == 1 || !word.starts_with('0');
  if (word.empty() || !canonical || word.front() == '-' || rest != end || error != std::errc()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace jobslots
