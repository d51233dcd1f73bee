#pragma once

/// Text in the columns of a terminal.

#include <cstddef>
#include <string>
#include <string_view>

namespace jobslots {

/// How many columns the UTF-8 text takes: two for a character of East Asia or an emoji, none for
/// one that joins another. A byte of something else counts as one.
std::size_t columns_of(std::string_view text);

/// text in exactly so many columns: filled up with blanks, or with "..." in the place of its
/// middle, of its first part where only the end tells them apart. Control characters are printed
/// as \xNN.
std::string fitted(std::string_view text, std::size_t columns);

}  // namespace jobslots
