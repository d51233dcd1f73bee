"""Which tests run now: what the controller knows, and `jobslots status` asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .originals import original
from .protocol import Runs

_NOT_KNOWN = "-"


@dataclass
class _Test:
    begun: int
    worker: str = _NOT_KNOWN


class RunningTests:
    """The tests that run. The main thread changes it, others may read it."""

    def __init__(self) -> None:
        self._tests: dict[str, _Test] = {}

    def begin(self, nodeid: str) -> None:
        self._tests[nodeid] = _Test(original.monotonic_ns())

    def runs_on(self, nodeid: str, worker_id: str) -> None:
        """The test that has just begun does so in this worker."""
        if nodeid in self._tests:
            self._tests[nodeid].worker = worker_id

    def end(self, nodeid: str) -> None:
        self._tests.pop(nodeid, None)

    def names(self) -> list[str]:
        """In the order in which they have begun."""
        return list(self._tests)

    def told(self) -> Iterator[Runs]:
        """What the broker is told of them."""
        now = original.monotonic_ns()
        for nodeid, test in list(self._tests.items()):
            yield Runs(test.worker, now - test.begun, nodeid)
