#include "system/wait.h"

#include <array>
#include <cerrno>
#include <thread>

namespace jobslots {

void wait_for_either(pollfd one, pollfd other) {
  std::array<pollfd, 2> both{one, other};
  // Where the system cannot do that now, it has to be asked again.
  if (poll(both.data(), both.size(), -1) < 0 && errno != EINTR) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void wait_until(int fd, Clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
  pollfd readable{fd, POLLIN, 0};
  if (left.count() > 0) poll(&readable, 1, static_cast<int>(left.count()));
}

bool is_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

}  // namespace jobslots
