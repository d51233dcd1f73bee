#!/usr/bin/env python3
"""A shell for ``make SHELL=...`` that logs when a recipe runs.

A pytest session is not a thing of its own: its tests are, and log themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys

from recording.spans import span


def main(arguments: list[str]) -> int:
    command = arguments[-1]
    program = command.split()[0]
    if program == "pytest":
        os.execv("/bin/sh", ["sh", *arguments])
    with span("linter", command, program):
        status = subprocess.call(["/bin/sh", *arguments])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
