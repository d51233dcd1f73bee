"""A pytest run under a jobserver of its own, without make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jobserver import Jobserver
from scenario import LongTest, Scenario


class PytestRun:
    """A pytest run under a jobserver of its own, without make."""

    def __init__(self, scenario: Scenario, job_slots: int) -> None:
        self.scenario = scenario
        self.jobserver = Jobserver(scenario.folder, job_slots)
        self.long = LongTest(scenario.folder)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "pytest", "-q", *arguments)
        return self.scenario.start(*command, MAKEFLAGS=self.jobserver.makeflags, **environment)

    def broker(self) -> int:
        """The process of its broker, which must be there."""
        (broker,) = self.scenario.brokers()
        return broker

    def address(self) -> Path:
        """The socket that the broker's clients connect to."""
        links = [str(link.readlink()) for link in Path(f"/proc/{self.broker()}/fd").iterdir()]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        (path,) = {s[7] for s in sockets if len(s) > 7 and s[6] in inodes and s[7][0] == "/"}
        return Path(path)
