"""The command ``jobslots`` for a Python at hand: runs the C++ program that the wheel carries."""

import os
import sys

from .broker import cannot_be_started
from .executable import EXECUTABLE


def main() -> None:
    if not sys.platform.startswith("linux"):
        sys.exit(f"jobslots: it is built on Linux only, not on {sys.platform}")
    try:
        os.execv(EXECUTABLE, ["jobslots", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"jobslots: {cannot_be_started(error)}")


if __name__ == "__main__":
    main()
