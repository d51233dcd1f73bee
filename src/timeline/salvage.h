#pragma once

/// The events of a trace that is no JSON as a whole: it is cut off, or one event in it is damaged,
/// or is none that a parser takes (a lone surrogate, a number beyond all numbers, NaN). That one is
/// passed over, and the others are found by their braces.

#include <cstddef>
#include <functional>
#include <string_view>

namespace jobslots::timeline {

struct Salvaged {
  bool complete = false;   ///< The array of events has an end, and so has the text, just behind it.
  std::size_t byte = 0;    ///< Else where it ends, or goes on with something else; from 1.
  std::size_t passed = 0;  ///< What was passed over.
};

/// Calls event with the text of each that has its braces; it says whether that could be used. text
/// is of the JSON Array Format or the JSON Object Format.
Salvaged salvage(std::string_view text, const std::function<bool(std::string_view)>& event);

}  // namespace jobslots::timeline
