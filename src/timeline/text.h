#pragma once

/// Names in a trace come from anywhere. These make text of them that does no harm in a page.

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace jobslots::timeline {

/// The text with U+FFFD for each byte that is no part of a UTF-8 character.
std::string valid_utf8(std::string_view text);

/// For the content and the quoted attributes of HTML and XML. Line ends and tabs become spaces,
/// what XML forbids becomes U+FFFD. text is valid UTF-8.
std::string escaped(std::string_view text);

/// At most `characters` of them: where there are more, "…" stands for those in the middle, as both
/// ends of a node id tell something. text is valid UTF-8, characters > 1.
std::string shortened(std::string_view text, std::size_t characters);

/// The parts one after the other.
std::string joined(std::initializer_list<std::string_view> parts);

}  // namespace jobslots::timeline
