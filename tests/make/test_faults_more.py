"""Nothing lost, nobody stuck: faults one by one, in workers, the broker, make and the jobserver.

The table of all faults and their tests is in docs/reliability.md.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import test_faults
from chaos import Pool
from scenario import FIFO, PIPE, SYSTEM, Make, Scenario

each_kind_of_make = pytest.mark.parametrize("make", [FIFO, PIPE, SYSTEM], ids=str)
each_way_to_start = pytest.mark.parametrize("start", ["slots", "all"])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

LONG = """
from spans import wait_for

def test_a_long_one():
    open({begun!r}, "w").close()
    wait_for({stop!r})
"""


class Session:
    """A pytest session under a jobserver of the test's own, without make, held in a long test."""

    def __init__(self, scenario: Scenario, jobs: int) -> None:
        self.scenario = scenario
        self.jobs = jobs
        self.pool = Pool(scenario.folder, jobs, pipe=False)
        self.begun, self.stop = scenario.folder / "begun", scenario.folder / "stop"
        self.long = LONG.format(begun=str(self.begun), stop=str(self.stop))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "pytest", "-q", *arguments)
        return self.scenario.start(*command, MAKEFLAGS=self.pool.makeflags, **environment)

    def wait_for_long_test(self) -> Path:
        """Wait until it runs. The broker's address."""
        _wait_until(self.begun.exists)
        (broker,) = _brokers(self.scenario)
        links = [str(link.readlink()) for link in Path(f"/proc/{broker}/fd").iterdir()]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        (path,) = {s[7] for s in sockets if len(s) > 7 and s[6] in inodes}
        return Path(path)


def _wait_until(condition: Callable[[], bool], limit: float = 60.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _brokers(scenario: Scenario) -> list[int]:
    return [pid for pid, name in scenario.processes().items() if name == "jobslots"]


@pytest.fixture
def four(scenario: Scenario) -> Iterator[Session]:
    """A session under four job slots; every token must be there afterwards."""
    session = Session(scenario, 4)
    yield session
    left = session.pool.count()
    session.pool.close()
    assert left == 3


# Workers that die.

DIES = {
    "while it starts up": "die()\n",
    "while it collects": "def pytest_collection_modifyitems(): die()\n",
    "between grant and start": """
from pytest_xdist_gnumake.slot import JobSlot
acquire = JobSlot.acquire
def acquire_and_die(slot):
    acquire(slot)
    assert slot._held
    die()
JobSlot.acquire = acquire_and_die
""",
    "while it finishes": "def pytest_sessionfinish(): die()\n",
}


@pytest.mark.parametrize("when", DIES)
@each_way_to_start
def test_a_worker_is_killed(scenario: Scenario, when: str, start: str) -> None:
    died = scenario.folder / "died"
    scenario.suite("suite", 40, 0.02)
    scenario.write(
        "suite/conftest.py",
        "import os, signal\n"
        "def die():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n"
        f"        open({str(died)!r}, 'w').close()\n"
        f"        os.kill(os.getpid(), signal.SIGKILL)\n{DIES[when]}",
    )
    outcome = test_faults._session_then_full_width(
        scenario, FIFO, f"-q -n4 --jobslots-start={start} suite"
    )
    assert died.exists()
    assert outcome.most <= 4
    # xdist blames the test that was about to run for the end of its worker.
    not_run = 1 if when == "between grant and start" else 0
    assert len({s.name for s in outcome.of("test")}) == 40 - not_run


def test_a_grandchild_keeps_the_socket_of_a_killed_worker_open(four: Session) -> None:
    """And nothing else of the worker. The session ends while it is still there."""
    stop, ready = four.scenario.folder / "stop", four.scenario.folder / "ready"
    more = f"""
import os, signal
from pathlib import Path
from spans import wait_for

def is_socket(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{{descriptor}}").startswith("socket:")
    except OSError:
        return False

def test_forks_and_dies():
    if os.fork() == 0:
        sockets = 0
        for descriptor in range(256):
            if is_socket(descriptor):
                sockets += 1
            else:
                try:
                    os.close(descriptor)
                except OSError:
                    pass
        if sockets:
            open({str(ready)!r}, "w").close()
        wait_for({str(stop)!r})
        os._exit(0)
    wait_for({str(ready)!r})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    four.scenario.suite("suite", 40, 0.02, more=more)
    process = four.start("-n4", "suite")
    output, _ = process.communicate(timeout=60)
    assert "1 failed, 40 passed" in output
    assert ready.exists()
    assert not _brokers(four.scenario)
    assert len(four.scenario.processes()) == 1, "the grandchild"
    stop.touch()
    four.scenario.check_nothing_left()


EARLY = """
import os
from spans import wait_for

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    open(f"started-{worker}", "w").close()
    wait_for("go")
"""


@each_way_to_start
def test_the_controller_dies_while_workers_start(four: Session, start: str) -> None:
    """The broker has ended when they are there, and they do nothing without it."""
    scenario = four.scenario
    scenario.write("early.py", EARLY)
    scenario.suite("suite", 10, 0.02)
    scenario.conftest("suite", 0.1)
    process = four.start("-p", "early", "-n2", f"--jobslots-start={start}", "suite")
    _wait_until(lambda: all((scenario.folder / f"started-gw{n}").exists() for n in range(2)))
    assert _brokers(scenario)
    process.kill()
    _wait_until(lambda: not _brokers(scenario))
    (scenario.folder / "go").touch()
    outcome = scenario.end(process)
    assert "goes on without job slots" not in outcome.output
    assert [span.name for span in outcome.spans] == ["controller"]


# Tests that do what they like.


def test_tests_that_change_their_process(scenario: Scenario) -> None:
    more = """
import multiprocessing
import os
import resource

@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]

@pytest.mark.parametrize("variable", ["HOME", "TMPDIR", "XDG_RUNTIME_DIR"])
def test_variable(variable):
    os.environ[variable] = "/nowhere"

def test_folder(tmp_path):
    os.chdir(tmp_path)
    tmp_path.rmdir()

def test_few_descriptors():
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, used + 3))
    with pytest.raises(OSError):
        kept = [open("/dev/null") for _ in range(10)]
"""
    scenario.suite("suite", 30, 0.02)
    scenario.write("suite/test_first.py", f"import pytest\n{more}")
    scenario.makefile(FIFO, a="neighbour 0.5", b="pytest -q -n3 suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert "38 passed" in outcome.output
    assert "broker has gone" not in outcome.output
    assert outcome.most <= 3


# The broker.


@each_way_to_start
@pytest.mark.parametrize("more", ["", "def test_fails(): assert False\n"], ids=["pass", "fail"])
def test_the_broker_is_killed(scenario: Scenario, start: str, more: str) -> None:
    """The tokens that it held are lost: nobody else knows of them."""
    session = Session(scenario, 3)
    scenario.suite("suite", 40, 0.02, more=session.long + more)
    process = session.start("-n4", f"--jobslots-start={start}", "suite")
    address = session.wait_for_long_test()
    (broker,) = _brokers(scenario)
    os.kill(broker, signal.SIGKILL)
    session.stop.touch()
    outcome = scenario.end(process)
    assert outcome.status == (1 if more else 0)
    assert "41 passed" in outcome.output
    said = re.findall(r"the job slot broker has gone: worker (gw\d)", outcome.output)
    assert said
    assert len(said) == len(set(said))
    assert not address.parent.exists()
    assert session.pool.count() <= 2, "tokens come from nowhere"
    session.pool.close()


def _socket_path_too_long(folder: Path) -> str:
    path = folder / ("x" * 100)
    path.mkdir()
    return str(path)


def _missing(folder: Path) -> str:
    return str(folder / "missing")


@pytest.mark.parametrize("tmpdir", [_socket_path_too_long, _missing])
def test_tmpdir_is_of_no_use(four: Session, tmpdir: Callable[[Path], str]) -> None:
    """The socket is elsewhere, and goes from there."""
    unusable = tmpdir(four.scenario.folder)
    four.scenario.suite("suite", 4, 0.01, more=four.long)
    process = four.start("-n2", "suite", TMPDIR=unusable)
    address = four.wait_for_long_test()
    assert address.is_socket()
    assert not str(address).startswith(unusable)
    four.stop.touch()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert not address.parent.exists()


FULL_DISK = "mount -t tmpfs -o nr_inodes=1 none tmp && exec env TMPDIR=$PWD/tmp"


def test_tmpdir_is_on_a_full_disk(four: Session) -> None:
    in_namespace = ("unshare", "--mount", "sh", "-c")
    folder = four.scenario.folder
    check = subprocess.run([*in_namespace, f"{FULL_DISK} true"], cwd=folder, capture_output=True)
    if check.returncode != 0:
        pytest.skip("a file system may not be mounted here")
    four.scenario.suite("suite", 4, 0.01, more=four.long)
    pytest_command = f"{sys.executable} -m pytest -q -n2 suite"
    process = four.scenario.start(
        *in_namespace, f"{FULL_DISK} {pytest_command}", MAKEFLAGS=four.pool.makeflags
    )
    address = four.wait_for_long_test()
    assert not str(address).startswith(str(folder))
    four.stop.touch()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert not address.parent.exists()


def _connects_and_is_welcome(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(address))
        try:
            connection.send(b"hello 1 worker gw9")
            return connection.recv(256) != b""
        except OSError:
            return False


def _as_nobody(is_so: Callable[[], bool]) -> bool:
    """The result of a function that a child calls as the user nobody."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            status = 0 if is_so() else 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 1)
    return status == 0


def _is_denied(access: Callable[[], object]) -> bool:
    try:
        access()
    except PermissionError:
        return True
    return False


@needs_root
def test_another_user_can_neither_connect_nor_look(four: Session) -> None:
    four.scenario.suite("suite", 4, 0.01, more=four.long)
    process = four.start("-n2", "suite", TMPDIR="/tmp")
    address = four.wait_for_long_test()
    folder = address.parent
    assert _as_nobody(folder.is_dir), "it is the folder's own mode that is tested"
    assert _as_nobody(lambda: _is_denied(lambda: list(folder.iterdir())))
    assert _as_nobody(lambda: _is_denied(lambda: _connects_and_is_welcome(address)))
    assert _connects_and_is_welcome(address)
    # Even where the folder lets them in, the broker does not talk to them.
    folder.chmod(0o755)
    address.chmod(0o777)
    assert not _as_nobody(lambda: _connects_and_is_welcome(address))
    four.stop.touch()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output


# No pidfd.


@pytest.mark.parametrize("switch", [{}, {"JOBSLOTS_NO_PIDFD": "1"}], ids=["with", "without"])
def test_a_session_with_and_without_pidfds(four: Session, switch: dict[str, str]) -> None:
    """The switch does what it says, and the session is the same."""
    four.scenario.suite("suite", 40, 0.02, more=four.long)
    process = four.start("-n4", "suite", **switch)
    four.wait_for_long_test()
    (broker,) = _brokers(four.scenario)
    links = [str(link.readlink()) for link in Path(f"/proc/{broker}/fd").iterdir()]
    pidfds = [link for link in links if re.match(r"anon_inode:\[pidfd|pidfd:", link)]
    assert bool(pidfds) is not bool(switch)
    four.stop.touch()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert outcome.most <= 4


@pytest.mark.parametrize(
    "fault",
    [
        test_faults.test_workers_that_die_take_no_token_along,
        test_faults.test_killed_controller,
        test_faults.test_killed_session,
    ],
)
def test_death_without_pidfds(scenario: Scenario, fault: Callable[[Scenario, Make], None]) -> None:
    scenario.environment["JOBSLOTS_NO_PIDFD"] = "1"
    fault(scenario, FIFO)


# make, the terminal, and the jobserver.


@each_kind_of_make
def test_make_is_killed(scenario: Scenario, make: Make) -> None:
    """And its fifo removed: the session goes on, and ends."""
    begun, stop = scenario.folder / "begun", scenario.folder / "stop"
    long = LONG.format(begun=str(begun), stop=str(stop))
    scenario.suite("suite", 40, 0.02, more=long)
    scenario.makefile(make, a="pytest -q -n3 suite")
    process = scenario.start(*make.command, "-j2")
    _wait_until(begun.exists)
    process.kill()
    process.wait()
    for fifo in Path(scenario.environment["TMPDIR"]).glob("GMfifo*"):
        fifo.unlink()
    stop.touch()
    outcome = scenario.end(process)
    assert "41 passed" in outcome.output
    assert outcome.most <= 2


IN_A_GROUP = "import os, subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], process_group=0))"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="process_group of subprocess")
@each_kind_of_make
def test_stopped_at_the_terminal_and_continued(scenario: Scenario, make: Make) -> None:
    """Ctrl-Z, then fg."""
    begun, stop = scenario.folder / "begun", scenario.folder / "stop"
    long = LONG.format(begun=str(begun), stop=str(stop))
    scenario.suite("suite", 40, 0.02, more=long)
    scenario.makefile(make, a="neighbour 1", b="pytest -q -n3 suite")
    # A group in the session of its parent, as a shell makes it: others cannot be stopped like this.
    process = scenario.start(sys.executable, "-c", IN_A_GROUP, *make.command, "-j3")
    _wait_until(begun.exists)
    group = os.getpgid(next(p for p, name in scenario.processes().items() if name == "make"))
    assert group != process.pid
    members = [p for p in scenario.processes() if _is_in_group(p, group)]
    os.killpg(group, signal.SIGTSTP)
    _wait_until(lambda: all(_state(p) in "TZ" for p in members if _is_in_group(p, group)))
    assert [_state(p) for p in _brokers(scenario)] == ["S"]
    stop.touch()
    os.killpg(group, signal.SIGCONT)
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert "41 passed" in outcome.output
    assert outcome.most <= 3


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _is_in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False


@each_way_to_start
@pytest.mark.parametrize("tokens", [0, 1, 4096])
def test_number_of_tokens(scenario: Scenario, tokens: int, start: str) -> None:
    session = Session(scenario, tokens + 1)
    scenario.suite("suite", 30, 0.02)
    outcome = scenario.end(session.start("-n4", f"--jobslots-start={start}", "suite"))
    assert outcome.status == 0, outcome.output
    assert "30 passed" in outcome.output
    assert outcome.most <= tokens + 1
    assert session.pool.count() == tokens
    session.pool.close()


def test_a_client_elsewhere_steals_all_tokens_and_returns_too_many(scenario: Scenario) -> None:
    session = Session(scenario, 3)
    scenario.suite("suite", 40, 0.02, more=session.long)
    process = session.start("-n4", "suite")
    session.wait_for_long_test()
    (broker,) = _brokers(scenario)
    stolen = session.pool.count()
    _stays_asleep(broker)
    os.write(session.pool.write_fd, b"?" * (stolen + 5))
    _stays_asleep(broker, but_for=3)
    session.stop.touch()
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert "41 passed" in outcome.output
    assert session.pool.count() == 2 + 5
    session.pool.close()


def _stays_asleep(pid: int, but_for: int = 1) -> None:
    """It uses no more than so many hundredths of a second of CPU in a second."""
    before = test_faults._cpu_ticks(pid)
    time.sleep(1)  # The time over which CPU is counted.
    assert test_faults._cpu_ticks(pid) - before <= but_for


@pytest.mark.skipif("JOBSLOTS_SOAK" not in os.environ, reason="takes minutes: set JOBSLOTS_SOAK")
def test_ten_thousand_tests_on_thirty_two_workers(scenario: Scenario) -> None:
    scenario.suite("suite")
    scenario.write(
        "suite/test_many.py",
        "import pytest\n@pytest.mark.parametrize('n', range(10000))\ndef test_none(n): pass\n",
    )
    scenario.makefile(FIFO, a="pytest -q -n32 suite")
    outcome = scenario.make(FIFO, 4)
    assert outcome.status == 0, outcome.output
    assert "10000 passed" in outcome.output
