"""A jobserver of the test's own, whose tokens can be counted."""

from __future__ import annotations

import os
import select
from pathlib import Path


class Jobserver:
    """A jobserver as make provides one, N-1 tokens for N job slots, in a fifo or a pipe."""

    def __init__(self, folder: Path, job_slots: int, *, pipe: bool = False) -> None:
        self.job_slots = job_slots
        #: The descriptors that a client must inherit.
        self.inherited: tuple[int, ...] = ()
        if pipe:
            self.inherited = os.pipe()
            path = f"/proc/self/fd/{self.inherited[0]}"
            auth = "{},{}".format(*self.inherited)
        else:
            path = str(folder / "jobserver")
            os.mkfifo(path)
            auth = f"fifo:{path}"
        #: Where it can be opened.
        self.path = path
        #: The variable MAKEFLAGS for its clients.
        self.makeflags = f" -j{job_slots} --jobserver-auth={auth}"
        # Opened anew for a pipe too: those that are inherited are to wait when they are read.
        self._own = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.give(self.tokens())

    def tokens(self) -> bytes:
        """All tokens, each another byte as long as there are such."""
        return bytes(sorted(65 + n % 190 for n in range(self.job_slots - 1)))

    def drain(self) -> bytes:
        """Take every token that is there, in no particular order."""
        try:
            return bytes(sorted(os.read(self._own, 65536)))
        except BlockingIOError:
            return b""

    def give(self, tokens: bytes) -> None:
        os.write(self._own, tokens)

    def wait(self, seconds: float) -> bool:
        """Wait until there is a token, for at most so long; whether there is one."""
        return bool(select.select([self._own], [], [], seconds)[0])

    def close(self) -> None:
        for descriptor in (self._own, *self.inherited):
            os.close(descriptor)
