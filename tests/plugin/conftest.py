from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

VARIABLES = ("MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "PYTEST_ADDOPTS")


def pytest_configure() -> None:
    # Ignored where a shell without job control has started this in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_make_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests bring a jobserver of their own, whatever they are run from."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAKEFLAGS", "")  # On purpose: else it is missed where make is above.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)


class Jobserver:
    """A fifo jobserver as make makes one: N-1 tokens for N job slots."""

    def __init__(self, path: Path, job_slots: int) -> None:
        os.mkfifo(path)
        self.job_slots = job_slots
        self.makeflags = f" -j{job_slots} --jobserver-auth=fifo:{path}"
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._fifo, self.tokens())

    def tokens(self) -> bytes:
        """All tokens, each another byte, in the order in which they were put in."""
        return bytes(range(65, 64 + self.job_slots))

    def drain(self) -> bytes:
        """Take every token that is there, in no particular order."""
        try:
            return bytes(sorted(os.read(self._fifo, 4096)))
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._fifo)


@pytest.fixture
def jobserver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobserver]:
    """A jobserver with three job slots that the environment names; every token must come back."""
    jobserver = Jobserver(tmp_path / "jobserver", 3)
    monkeypatch.setenv("MAKEFLAGS", jobserver.makeflags)
    yield jobserver
    left = jobserver.drain()
    jobserver.close()
    assert left == jobserver.tokens()
