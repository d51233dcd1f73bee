/// What a recipe of a real make runs in the tests: says what it finds of the jobserver, in one
/// line.

#include <cstdlib>
#include <iostream>

#include "jobslots/token_source.h"

int main() {
  using namespace jobslots;
  auto opened = TokenSource::from_environment();
  if (const auto* why = std::get_if<Unavailable>(&opened)) {
    std::cout << why->message() << '\n';
    return EXIT_FAILURE;
  }
  auto& tokens = std::get<TokenSource>(opened);
  const auto token = tokens.try_take();
  const int left = tokens.tokens_available().value_or(-1);
  const bool returned = token && tokens.try_return(*token);
  std::cout << "took " << (token ? 1 : 0) << ", left " << left << ", returned " << returned
            << ", now " << tokens.tokens_available().value_or(-1) << '\n';
}
