"""A jobserver of the test's own, whose tokens can be counted, and a session under it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scenario import LongTest, Scenario


class Pool:
    """A jobserver, as make provides it."""

    def __init__(self, folder: Path, jobs: int, *, pipe: bool) -> None:
        self.inherited: tuple[int, ...] = ()
        if pipe:
            self.inherited = self._read, self.write_fd = os.pipe()
            auth = f"{self._read},{self.write_fd}"
        else:
            path = folder / "pool"
            os.mkfifo(path)
            self._read = self.write_fd = os.open(path, os.O_RDWR)
            auth = f"fifo:{path}"
        os.write(self.write_fd, b"+" * (jobs - 1))
        self.makeflags = f" -j{jobs} --jobserver-auth={auth}"

    def count(self) -> int:
        """The tokens that are there, which are taken."""
        os.set_blocking(self._read, False)
        try:
            return len(os.read(self._read, 65536))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        for descriptor in {self._read, self.write_fd}:
            os.close(descriptor)


class Session:
    """A pytest session under a jobserver of the test's own, without make."""

    def __init__(self, scenario: Scenario, jobs: int) -> None:
        self.scenario = scenario
        self.pool = Pool(scenario.folder, jobs, pipe=False)
        self.long = LongTest(scenario.folder)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "pytest", "-q", *arguments)
        return self.scenario.start(*command, MAKEFLAGS=self.pool.makeflags, **environment)

    def broker(self) -> int:
        """The process of its broker, which must be there."""
        (broker,) = self.scenario.brokers()
        return broker

    def address(self) -> Path:
        """The socket that the broker's clients connect to."""
        links = [str(link.readlink()) for link in Path(f"/proc/{self.broker()}/fd").iterdir()]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        (path,) = {s[7] for s in sockets if len(s) > 7 and s[6] in inodes}
        return Path(path)
