"""Other machines for workers: real servers on this one, in network namespaces where it may be."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypeVar

import execnet.script
import pytest
from processes import wait_until
from scenario import Scenario
from spans import LOG_VARIABLE
from telling import CONFTEST

#: Where tools/setup unpacks Debian's sshd where there is none: installed, it would open a port.
_UNPACKED = Path(sys.prefix) / "sshd"
_SSHD = next(
    (path for path in (Path("/usr/sbin/sshd"), _UNPACKED / "usr/sbin/sshd") if path.exists()), None
)

needs_sshd = pytest.mark.skipif(not _SSHD, reason="there is no sshd")
_HAS_NAMESPACES = os.geteuid() == 0 and bool(shutil.which("ip"))
needs_namespaces = pytest.mark.skipif(
    not _HAS_NAMESPACES,
    reason="network namespaces are root's, and iproute2 makes them",
)


class Network:
    """A machine beside this one: its own network, and a cable to it."""

    def __init__(self) -> None:
        unique = uuid.uuid4()
        self._name = f"jobslots-{unique.hex[:8]}"
        self._end = f"job-{unique.hex[:8]}"
        net = f"10.{200 + unique.bytes[0] % 50}.{unique.bytes[1]}"
        #: The other machine's address.
        self.there = f"{net}.2"
        self._ip("netns", "add", self._name)
        self._ip("link", "add", self._end, "type", "veth", "peer", "eth0", "netns", self._name)
        self._ip("addr", "add", f"{net}.1/24", "dev", self._end)
        self._ip("link", "set", self._end, "up")
        self._ip("-n", self._name, "addr", "add", f"{self.there}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            self._ip("-n", self._name, "link", "set", device, "up")

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command that runs this one there."""
        return ("ip", "netns", "exec", self._name, *command)

    def cut(self) -> None:
        """Nothing arrives any more, in either direction, and nobody is told."""
        self._ip("-n", self._name, "link", "set", "eth0", "down")

    def remove(self) -> None:
        # A server's side of a connection that was cut would wait for long.
        for pid in self._ip("netns", "pids", self._name).split():
            os.kill(int(pid), signal.SIGKILL)
        self._ip("link", "del", self._end)
        self._ip("netns", "del", self._name)

    @staticmethod
    def _ip(*arguments: str) -> str:
        command = ["ip", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Host(ABC):
    """A machine with a server through which execnet reaches it."""

    @property
    @abstractmethod
    def spec(self) -> str:
        """What names it to xdist's option --tx."""

    def __init__(
        self, scenario: Scenario, name: str, network: Network | None, environment: dict[str, str]
    ) -> None:
        self._network = network
        self.folder = scenario.folder / name
        self.folder.mkdir()
        self.address = network.there if network else "127.0.0.1"
        self.port = free_port() if network is None else 2222
        #: For what runs there.
        self.environment = {
            name: scenario.environment[name]
            for name in ("PATH", "PYTHONPATH", "TMPDIR", LOG_VARIABLE)
        } | environment

    def _serve(self, *command: str, **environment: str) -> None:
        """The server is no process of the scenario: it is there before and after."""
        with (self.folder / "server.log").open("w") as log:
            self._server = subprocess.Popen(
                self._network.inside(*command) if self._network else command,
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._server.poll() is None, (self.folder / "server.log").read_text()
        table = Path(f"/proc/{self._server.pid}/net/tcp").read_text()
        return f":{self.port:04X} 00000000:0000 0A" in table

    def stop(self) -> None:
        self._server.kill()
        self._server.wait()


class SshHost(Host):
    """One with sshd, and a key that lets us in."""

    def __init__(
        self, scenario: Scenario, name: str, network: Network | None, environment: dict[str, str]
    ) -> None:
        super().__init__(scenario, name, network, environment)
        assert _SSHD
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True
            )
        shutil.copy(self.folder / "user.pub", self.folder / "authorized_keys")
        environment = {**self.environment, "SCENARIO_MARK": scenario.environment["SCENARIO_MARK"]}
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.folder}/host\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PidFile none\nMaxStartups 100\nMaxSessions 100\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in environment.items())}\n"
        )
        self._config = self.folder / "ssh_config"
        self._config.write_text(
            f"Host far\nHostName {self.address}\nPort {self.port}\nUser {getpass.getuser()}\n"
            f"IdentityFile {self.folder}/user\nIdentitiesOnly yes\nLogLevel ERROR\n"
            "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\n"
        )
        libraries = ":".join(map(str, (_UNPACKED / "usr/lib").glob("*-linux-gnu")))
        config = str(self.folder / "sshd_config")
        command = (str(_SSHD), "-D", "-e", "-f", config)
        self._serve(*self._with_sshd_user(*command), LD_LIBRARY_PATH=libraries)

    def _with_sshd_user(self, *command: str) -> tuple[str, ...]:
        """Root's sshd needs a user and a folder, which Debian's package makes. For it alone."""
        if os.geteuid() != 0:
            return command
        passwd = self.folder / "passwd"
        passwd.write_text(
            Path("/etc/passwd").read_text() + "sshd:x:65533:65534::/run/sshd:/bin/false\n"
        )
        prepare = f"mount --bind {passwd} /etc/passwd; mount -t tmpfs tmpfs /run; mkdir /run/sshd"
        return ("unshare", "--mount", "sh", "-ec", f'{prepare}; exec "$@"', "sh", *command)

    @property
    def spec(self) -> str:
        return self._spec("far")

    def spec_by(self, port: int) -> str:
        """The same where another port leads there."""
        return self._spec(f"-p{port} far")

    def _spec(self, far: str) -> str:
        ssh = f"ssh={far}//ssh_config={self._config}"
        return f"{ssh}//python={sys.executable}//chdir={self.folder}"


class SocketHost(Host):
    """One with execnet's socket server, which is itself its one worker."""

    def __init__(
        self, scenario: Scenario, name: str, network: Network | None, environment: dict[str, str]
    ) -> None:
        super().__init__(scenario, name, network, environment)
        program = Path(execnet.script.__file__).with_name("socketserver.py")
        self._serve(sys.executable, str(program), f"{self.address}:{self.port}")

    @property
    def spec(self) -> str:
        return f"socket={self.address}:{self.port}//chdir={self.folder}"


H = TypeVar("H", SshHost, SocketHost)


class Hosts:
    """The machines of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._hosts: list[Host] = []
        self._networks: list[Network] = []

    def network_if_possible(self) -> Network | None:
        """Else a server on this machine's own loopback has to do."""
        return self.network() if _HAS_NAMESPACES else None

    def network(self) -> Network:
        self._networks.append(Network())
        return self._networks[-1]

    def ssh(self, network: Network | None = None, /, **environment: str) -> SshHost:
        return self._add(SshHost, network, environment)

    def socket(self, network: Network | None = None, /, **environment: str) -> SocketHost:
        return self._add(SocketHost, network, environment)

    def _add(self, kind: type[H], network: Network | None, environment: dict[str, str]) -> H:
        host = kind(self._scenario, f"host-{len(self._hosts)}", network, environment)
        self._hosts.append(host)
        return host

    def remove(self) -> None:
        for host in self._hosts:
            host.stop()
        for network in self._networks:
            network.remove()


def suite_that_tells(
    scenario: Scenario, count: int, seconds: float = 0.0, *, more: str = ""
) -> Path:
    """One in which each worker logs what it runs."""
    scenario.suite("suite", count, seconds, more=more)
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.1))
    return scenario.folder / "suite"


def arguments(suite: Path, *specs: str) -> list[str]:
    """Of pytest, for that suite and workers at these places. xdist wants an absolute path."""
    where = [word for spec in specs for word in ("--tx", spec)]
    return ["--dist=load", f"--rsyncdir={suite}", *where, str(suite)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
