#pragma once

namespace jobslots {

/// Ignores every signal that can be ignored, but those that tell of a fault in this program
/// (signal(7)): terminals, closing sessions, limits and batch systems send them to end a process.
void ignore_all_signals_but_faults();

}  // namespace jobslots
