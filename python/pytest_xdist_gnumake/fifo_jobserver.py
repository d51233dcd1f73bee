"""make's fifo where there is no broker: what the controller does.

One worker has the session's implicit slot, and is told of nothing. Each of the others is told of
the fifo, and takes a token from it whenever it works, see ``fifo_slot``. Which of them a worker is,
is said by the environment that its process is started with.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .fifo_slot import PREFIX
from .originals import original
from .protocol import ADDRESS_VARIABLE

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

#: A word of MAKEFLAGS, in which a backslash protects the character behind it.
_WORD = re.compile(r"(?:\\.|[^ \t])+")

_JOBSERVER = re.compile(r"--jobserver-(?:auth|fds)=(.*)")
_JOBS = re.compile(r"-j(\d+)")


class FifoJobserver:
    """The fifo of a jobserver whose tokens the workers take themselves; a plugin of the session."""

    def __init__(self, path: str, job_slots: int, *, has_implicit_slot: bool) -> None:
        self._address = f"{PREFIX}{path}"
        #: N of make's ``-jN``, 0 where that is not known.
        self.job_slots = job_slots
        self._has_implicit_slot = has_implicit_slot
        self._on_implicit_slot: WorkerController | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], folder: str | None) -> FifoJobserver | None:
        """The one in this environment, where it is a fifo that may be used.

        Its path may be relative to ``folder``, or to this process's own.
        """
        words = _words_of_jobserver(environment)
        auth = [match[1] for word in words if (match := _JOBSERVER.fullmatch(word))]
        if not auth or not auth[-1].startswith(PREFIX):
            return None
        path = Path(folder or ".", auth[-1].removeprefix(PREFIX)).absolute()
        try:
            if not stat.S_ISFIFO(path.stat().st_mode) or not os.access(path, os.R_OK | os.W_OK):
                return None
        except OSError:
            return None
        jobs = [int(match[1]) for word in words if (match := _JOBS.fullmatch(word))]
        implicit_slot = environment.get("JOBSLOTS_IMPLICIT_SLOT") != "no"
        return cls(os.fspath(path), jobs[-1] if jobs else 0, has_implicit_slot=implicit_slot)

    def announce(self) -> None:
        """Tell the worker that is started next of the fifo, unless it has the implicit slot."""
        if self._has_implicit_slot and self._on_implicit_slot is None:
            original.environ.pop(ADDRESS_VARIABLE, None)
        else:
            original.environ[ADDRESS_VARIABLE] = self._address

    def pytest_configure_node(self, node: WorkerController) -> None:
        """The process of this worker has just been started."""
        if self._has_implicit_slot and self._on_implicit_slot is None:
            self._on_implicit_slot = node
        self.announce()

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """A worker that comes in the place of this one comes next."""
        if node is self._on_implicit_slot:
            self._on_implicit_slot = None
            self.announce()

    def pytest_unconfigure(self) -> None:
        original.environ.pop(ADDRESS_VARIABLE, None)


def _words_of_jobserver(environment: Mapping[str, str]) -> list[str]:
    """The words of the variable that counts, see ``include/jobslots/makeflags.h``."""
    make = "MAKEFLAGS" if "MAKEFLAGS" in environment else "MFLAGS"
    for name in (make, "CARGO_MAKEFLAGS"):
        words = _WORD.findall(environment.get(name, ""))
        options = words[: words.index("--")] if "--" in words else words
        if any(_JOBSERVER.fullmatch(word) for word in options):
            return [re.sub(r"\\(.)", r"\1", word) for word in options]
    return []
