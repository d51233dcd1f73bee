#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char** argv) {
  // A test may have named itself "make": who looks for one asks it for its version, which would run
  // the tests once more, and end them in the middle.
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::puts("jobslots_tests");
    return EXIT_SUCCESS;
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
