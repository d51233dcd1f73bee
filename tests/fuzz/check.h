#pragma once

#include <cstdio>
#include <cstdlib>

namespace jobslots::fuzz {

/// Ends the process where a promise is broken: libFuzzer then keeps the input.
inline void check(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace jobslots::fuzz
