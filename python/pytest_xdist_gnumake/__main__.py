"""The command ``jobslots``: runs the C++ program that the wheel carries."""

import os
import sys

from .broker import EXECUTABLE, cannot_be_started


def main() -> None:
    if not EXECUTABLE.exists():
        sys.exit(f"jobslots: {EXECUTABLE} is missing: it is built on Linux only")
    try:
        os.execv(EXECUTABLE, ["jobslots", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"jobslots: {cannot_be_started(error)}")


if __name__ == "__main__":
    main()
