"""The job slot of a worker that takes a token from make's fifo itself, as there is no broker."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator

from .connection import FINISHING
from .originals import original

#: What the path of a fifo begins with: in MAKEFLAGS, and where a worker is told of it.
PREFIX = "fifo:"

#: Seconds after which a worker that waits looks whether there is still something to wait for.
_LOOK = 1.0


class FifoSlot:
    """A job slot with the interface of `JobSlot`: its token is in this process, and dies with it.

    Tests do what they like with descriptors, so the fifo is opened anew each time.
    """

    #: Nobody writes a trace, and nobody asks for a slot or lends one.
    traced = others_may_wait = False

    def __init__(self, path: str, controller_lives: Callable[[], bool]) -> None:
        self._path = path
        self._controller_lives = controller_lives
        self._pid = original.getpid()
        #: Whether this worker has a token.
        self.held = False
        self._token = bytearray(1)
        atexit.register(self.release)

    def acquire(self, work: str = "") -> None:
        """Wait until this worker has a token, or there is no jobserver any more.

        Where the controller does not live, nobody waits for the work: what is left is to finish.
        """
        if self.held or not self._belongs_here():
            return
        with contextlib.suppress(OSError), self._opened(os.O_RDONLY) as fifo:
            poll = original.poll()
            poll.register(fifo, original.POLLIN)
            while not self._take(fifo):
                if not poll.poll(_LOOK * 1000) and not self._controller_lives():
                    if work == FINISHING:
                        return
                    raise KeyboardInterrupt("the controller has gone")

    def _take(self, fifo: int) -> bool:
        """Take a token if one is there; whether there is nothing to wait for any more."""
        self._token[0] = 0
        try:
            self.held = original.readv(fifo, [self._token]) == 1
        except BlockingIOError:
            return False
        except BaseException:  # An interrupt between the system's call and what follows it here.
            self.held = self._token[0] != 0
            raise
        return True

    def is_asked_for(self) -> bool:
        """Others may wait for the token, and have no way to say so."""
        return True

    def go_on(self, outcome: str, work: str) -> None:
        """Nothing, as nothing is traced."""

    def release(self, outcome: str = "") -> None:
        """Give the token back, if this worker has one."""
        if self.held and self._belongs_here():
            with contextlib.suppress(OSError), self._opened(os.O_WRONLY) as fifo:
                self.held = False  # No interrupt comes between this and the system's call.
                original.write(fifo, self._token)

    def close(self) -> None:
        """The same, at the end."""
        self.release()

    def _belongs_here(self) -> bool:
        """False in a process that a test has forked."""
        return original.getpid() == self._pid

    @contextlib.contextmanager
    def _opened(self, mode: int) -> Iterator[int]:
        fifo = original.open(self._path, mode | os.O_NONBLOCK)
        try:
            yield fifo
        finally:
            original.close(fifo)
