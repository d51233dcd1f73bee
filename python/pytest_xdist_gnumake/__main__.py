"""The command ``jobslots``: runs the C++ program that the wheel carries."""

import os
import sys

from .broker import EXECUTABLE


def main() -> None:
    if not EXECUTABLE.exists():
        sys.exit(f"jobslots: {EXECUTABLE} is missing: it is built on Linux only")
    os.execv(EXECUTABLE, ["jobslots", *sys.argv[1:]])


if __name__ == "__main__":
    main()
