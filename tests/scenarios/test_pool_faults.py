"""What befalls a pool: a full disk, many sessions, a pool that is stopped."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from processes import wait_until
from scenario import LongTest, Scenario
from spans import read_spans
from test_pool import CLIENT_LINE, PYTEST

from pool import MakePool

DUMMY_LINE = "pytest-xdist-gnumake using dummy job server: no job server found\n"


def _tests(scenario: Scenario, suite: str) -> int:
    return len(scenario.spans().of("test", f"{suite}-"))


@pytest.mark.parametrize("inodes", [1, 2, 3])
def test_the_disk_is_full(scenario: Scenario, inodes: int) -> None:
    """The folder itself has one inode; then there is none for the lock, the fifo, or the socket."""
    scenario.suite("a", 4)
    (scenario.folder / "pool").mkdir(0o700)
    mount = f"mount -t tmpfs -o nr_inodes={inodes},mode=700 none pool"
    in_namespace = ("unshare", "--mount", "sh", "-c")
    check = subprocess.run([*in_namespace, mount], cwd=scenario.folder, capture_output=True)
    if check.returncode != 0:
        pytest.skip("a file system may not be mounted here")
    outcome = scenario.run(
        *in_namespace,
        f"{mount} && exec {' '.join(PYTEST)} -n2 a",
        JOBSLOTS_POOL=str(scenario.folder / "pool"),
    )
    assert DUMMY_LINE in outcome.output, outcome.output
    assert "No space left on device; cure: make room there, or " in outcome.output, outcome.output
    assert "4 passed" in outcome.output
    assert outcome.status == 0


def test_many_sessions(scenario: Scenario, make_pool: MakePool) -> None:
    pool = make_pool(2)
    for number in range(12):
        scenario.suite(f"s{number}", 12)
    runs = [scenario.start(*PYTEST, "-n8", f"s{number}") for number in range(12)]
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert CLIENT_LINE in output, output
        assert "12 passed" in output, output
    assert scenario.spans().most <= 2
    scenario.check_nothing_left()
    pool.close()


def test_a_pool_that_does_not_answer(scenario: Scenario, make_pool: MakePool) -> None:
    """A session that comes then says so, and runs without slots."""
    pool = make_pool(2)
    long = LongTest(scenario.folder)
    scenario.write("a/test_a.py", long.text)
    scenario.suite("b", 4)
    first = scenario.start(*PYTEST, "-n1", "a")
    long.wait()
    os.kill(pool.process(), signal.SIGSTOP)
    second = scenario.start(*PYTEST, "-n2", "b")
    output, _ = second.communicate(timeout=60)
    why = f"pytest-xdist-gnumake: the pool in {pool.folder} does not answer"
    assert f"{DUMMY_LINE}{why}" in output, output
    assert "4 passed" in output
    os.kill(pool.process(), signal.SIGCONT)
    long.let_go()
    output, _ = first.communicate(timeout=60)
    assert "1 passed" in output, output
    scenario.check_nothing_left()
    pool.close()


def test_a_pool_is_stopped_for_long(scenario: Scenario, make_pool: MakePool) -> None:
    """A session that has given its slot back goes on with one of its own."""
    pool = make_pool(2)
    scenario.suite("a", 60, 0.1)
    # The worker has no test at hand when one has ended, and so keeps no slot.
    session = scenario.start(*PYTEST, "-n1", "--maxschedchunk=1", "a")
    wait_until(lambda: _tests(scenario, "a") > 5)
    stopped = pool.process()
    os.kill(stopped, signal.SIGSTOP)
    output, _ = session.communicate(timeout=120)
    assert "60 passed" in output, output
    assert f"the pool in {pool.folder} does not answer: 0 job slots are kept" in output
    assert ": this session goes on with one job slot" in output
    os.kill(stopped, signal.SIGCONT)
    scenario.check_nothing_left()
    pool.close()


def test_a_pool_that_is_stopped_for_a_while(scenario: Scenario, make_pool: MakePool) -> None:
    """A session goes on with the slot that it has, and has another one afterwards."""
    pool = make_pool(2)
    long = LongTest(scenario.folder)
    scenario.write("a/test_a.py", long.text)
    scenario.suite("b", 300, 0.02)
    first = scenario.start(*PYTEST, "-n1", "a")
    long.wait()
    second = scenario.start(*PYTEST, "-n2", "b")
    wait_until(lambda: _tests(scenario, "b") > 5)
    os.kill(pool.process(), signal.SIGSTOP)
    before = _tests(scenario, "b")
    wait_until(lambda: _tests(scenario, "b") > before + 20)
    long.let_go()
    os.kill(pool.process(), signal.SIGCONT)
    first.communicate(timeout=60)
    output, _ = second.communicate(timeout=60)
    assert "300 passed" in output, output
    spans = read_spans(scenario.log)
    assert len({s.pid for s in spans if s.name.startswith("b-")}) == 2
    assert scenario.spans().most <= 2
    scenario.check_nothing_left()
    pool.close()
