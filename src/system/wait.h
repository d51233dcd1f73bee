#pragma once

/// Waiting in poll(2), for those who have no loop.

#include <poll.h>

#include <chrono>

namespace jobslots {

using Clock = std::chrono::steady_clock;

/// Waits until one of two things is so; one whose descriptor is negative is passed over. May return
/// before.
void wait_for_either(pollfd one, pollfd other = {-1, 0, 0});

/// Waits until fd is readable or at its end, but not beyond `end`. May return before.
void wait_until(int fd, Clock::time_point end);

bool is_readable(int fd);

}  // namespace jobslots
