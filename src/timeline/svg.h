#pragma once

#include <string>

#include "timeline/run.h"

namespace jobslots::timeline {

/// A still picture, for an <img>: dark where the reader's system is. Names each test on hover if
/// there are no more than 3000 spans; above that, spans too short to be seen are drawn as one.
std::string svg(const Run& run);

}  // namespace jobslots::timeline
