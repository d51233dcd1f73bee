#pragma once

#include <string>

#include "timeline/run.h"

namespace jobslots::timeline {

/// A page that needs no other file and no network: the picture, which can be zoomed and moved and
/// names what is under the pointer, and a table of its numbers.
std::string html(const Run& run);

}  // namespace jobslots::timeline
