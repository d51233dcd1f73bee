#pragma once

/// A diagnosis in its two printed forms.

#include <string>

#include "doctor/diagnosis.h"

namespace jobslots {

/// The words behind "usable: ".
inline constexpr const char* kUsable = "pytest-xdist workers take job slots from this jobserver";

/// For people: aligned lines, an empty line, and the verdict. Free of control characters but for
/// its line ends.
std::string text_report(const Diagnosis& diagnosis);

/// For programs: one JSON object on one line of ASCII, with a line end. Bytes that are no UTF-8
/// become U+FFFD. null stands for what is not there or cannot be known. The keys:
///
///     usable        true or false
///     message       the verdict in one line: what the plugin prints as the reason, where it does
///     reason        name_of(Reason), "fifo-missing"; null where usable, as the next two
///     detail        what was found, free of control characters as is the message
///     cure          what to do
///     makeflags     the value of MAKEFLAGS
///     variable      the name of the variable that speaks of a jobserver
///     value         its value
///     kind          "fifo", "pipe" or "device" (a path, not known to be a device: "fifo")
///     path          of the fifo or device
///     descriptors   of the pipe: [R, W], make's numbers
///     withheld      whether make says that this recipe has no descriptors of the pipe, as 4.4 does
///     reached       "path", "inherited" (descriptors) or "make" (its descriptors, through /proc;
///                   or those of a program below make that serves a jobserver of its own)
///     job_slots     N of -jN
///     tokens_free   the tokens that could be taken now; at most N - 1
///     make_above    the nearest ancestor process that is a make: {"process", "path", "version"}
///     make_on_path  what a shell would run for make: {"path", "version"}
std::string json_report(const Diagnosis& diagnosis);

}  // namespace jobslots
