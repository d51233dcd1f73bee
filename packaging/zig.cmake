# Builds with zig, for any Linux: its musl and libc++ are linked in, so that the program needs nothing.
# The environment has ZIG_LIB, what zig brings; ZIG_TOOLS, a folder with its c++, ar and ranlib; and
# ZIG_TARGET.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "$ENV{ZIG_TARGET}")
set(CMAKE_CXX_COMPILER "$ENV{ZIG_TOOLS}/c++" -target "$ENV{ZIG_TARGET}")
set(CMAKE_AR "$ENV{ZIG_TOOLS}/ar")
set(CMAKE_RANLIB "$ENV{ZIG_TOOLS}/ranlib")
set(CMAKE_CXX_FLAGS_INIT "-g0 -ffunction-sections -fdata-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -s -Wl,--gc-sections")

# For the bill of materials.
set(JOBSLOTS_MUSL "$ENV{ZIG_LIB}/libc/musl")
