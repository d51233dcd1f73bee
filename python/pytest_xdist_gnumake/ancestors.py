"""Whether a make with several jobs is above this process, though the environment has no word of it.

tox, sudo and ``env -i`` take make's variables away, and whoever uses them wonders.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE, run

from .executable import EXECUTABLE

#: How `-jN` may stand on make's command line; the number may be the next word.
_JOBS = re.compile(r"-[A-Za-z]*j(\d*)|--jobs(?:=(\d+))?")

_MAKE = re.compile(r"(?:make|gmake|gnumake|remake)(?:-[\d.]+)?")


def where_make_has_gone(environment: Mapping[str, str], limit: float) -> str:
    """Why make's variables are not there though make is, and the cure; nothing where all is well.

    Where MAKEFLAGS is set to nothing, somebody has said that it is to be so. ``jobslots doctor``,
    which is asked, has so many seconds.
    """
    if not environment.get("MAKEFLAGS", "-").strip() or not _is_below_make_with_jobs():
        return ""
    doctor = run(
        [EXECUTABLE, "doctor", "--json"],
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        timeout=limit,
        check=False,
    )
    found = json.loads(doctor.stdout)
    return str(found["message"]) if found["reason"] == "removed" else ""


def _is_below_make_with_jobs() -> bool:
    """Whether an ancestor is a make that was given -jN, with N other than 1."""
    return any(_is_make(words[0]) and _has_jobs(words[1:]) for words in _command_lines() if words)


def _is_make(program: str) -> bool:
    return bool(_MAKE.fullmatch(program.rpartition("/")[2]))


def _has_jobs(words: list[str]) -> bool:
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if match := _JOBS.fullmatch(word):
            number = match[1] or match[2] or (after if after.isdecimal() else "")
            return number != "1"
    return False


def _command_lines() -> Iterator[list[str]]:
    """Those of the ancestors, from the nearest on; as far as proc(5) lets us see."""
    pid = os.getppid()
    while pid > 1:
        process = Path("/proc", str(pid))
        try:
            yield os.fsdecode((process / "cmdline").read_bytes()).split("\0")[:-1]
            pid = int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, ValueError):
            return
