#pragma once

/// Text from the environment or another program, made fit for a terminal and for one line.

#include <string>
#include <string_view>

namespace jobslots {

/// text with each control character as \xNN: those of ASCII, and in UTF-8 U+0080 to U+009F.
/// Anything else stays as it is.
std::string printable(std::string_view text);

/// text where it has at most limit bytes, else its begin and its end with "..." in between; a UTF-8
/// character is kept whole or left out.
std::string shortened(const std::string& text, std::size_t limit);

}  // namespace jobslots
