#pragma once

/// What the page and the SVG draw alike.

#include <string>
#include <vector>

#include "timeline/run.h"

namespace jobslots::timeline {

/// The name of a kind of span, in the legend and on hover; and its class in picture.css.
const char* label(Kind kind);
const char* style_class(Kind kind);

/// The shapes that picture.css and the marks refer to: a <defs> of SVG.
std::string definitions();

struct LegendEntry {
  std::string swatch;  ///< SVG elements, 26 wide and 14 high.
  std::string label;
};

/// The kinds that the run has, and the mark of a failed test if one failed.
std::vector<LegendEntry> legend(const Run& run);

}  // namespace jobslots::timeline
