"""What happens to slots when another machine, its worker or the way to it is lost."""

from __future__ import annotations

import os
import signal

import pytest
from hosts import Hosts, arguments, needs_namespaces, needs_sshd, suite_that_tells
from processes import wait_until
from pytest_run import PytestRun
from spans import read_spans

#: Seconds. The default is meant for real networks.
SILENCE = ("-o", "jobslots_remote_silence=4")


def _wait_for_tests(run: PytestRun, *workers: str) -> dict[str, int]:
    """Wait until each of them has run one. Their processes."""

    def processes() -> dict[str, int]:
        ran = [span for span in read_spans(run.scenario.log) if span.kind == "ran"]
        return {span.name.split()[0]: span.pid for span in ran}

    wait_until(lambda: set(workers) <= set(processes()))
    return processes()


@needs_sshd
def test_worker_killed(four: PytestRun, hosts: Hosts) -> None:
    """Its slot is free, and another one comes in its place."""
    far = hosts.ssh()
    suite = suite_that_tells(four.scenario, 100, 0.05)
    session = four.start(*arguments(suite, f"2*{far.spec}", "popen"))
    pid = _wait_for_tests(four, "gw0")["gw0"]
    os.kill(pid, signal.SIGKILL)
    outcome = four.scenario.end(session)
    assert "1 failed, 99 passed" in outcome.output or "100 passed" in outcome.output, outcome.output
    assert "pytest-xdist-gnumake: gw0 at " in outcome.output
    assert " has ended, or is out of reach: its job slot is free\n" in outcome.output


@needs_sshd
def test_host_killed(four: PytestRun, hosts: Hosts) -> None:
    """Those that are here run the tests that are left."""
    far = hosts.ssh()
    suite = suite_that_tells(four.scenario, 100, 0.05)
    session = four.start(*arguments(suite, far.spec, "popen", far.spec))
    processes = _wait_for_tests(four, "gw0", "gw1")
    far.stop()
    for worker in {"gw0", "gw2"} & processes.keys():
        os.kill(processes[worker], signal.SIGKILL)
    outcome = four.scenario.end(session)
    assert "passed" in outcome.output, outcome.output
    assert len(outcome.of("test")) >= 98
    assert "cannot be started" in outcome.output


@needs_sshd
def test_controller_killed(four: PytestRun, hosts: Hosts) -> None:
    """The fixture counts the tokens when all has ended."""
    far = [hosts.ssh(), hosts.socket()]
    suite = suite_that_tells(four.scenario, 1000, 0.05)
    session = four.start(*arguments(suite, far[0].spec, far[1].spec, "popen"))
    _wait_for_tests(four, "gw0", "gw1", "gw2")
    session.kill()
    four.scenario.end(session)


@needs_sshd
@needs_namespaces
@pytest.mark.parametrize("kind", ["ssh", "socket"])
def test_network_cut(four: PytestRun, hosts: Hosts, kind: str) -> None:
    network = hosts.network()
    far = hosts.ssh(network) if kind == "ssh" else hosts.socket(network)
    suite = suite_that_tells(four.scenario, 100, 0.05)
    session = four.start(*SILENCE, *arguments(suite, far.spec, "popen"))
    pid = _wait_for_tests(four, "gw0", "gw1")["gw0"]
    network.cut()
    output = session.communicate(timeout=100)[0]
    if kind == "ssh":  # It knows nothing of this yet.
        os.kill(pid, signal.SIGKILL)
    four.scenario.check_nothing_left()
    assert "pytest-xdist-gnumake: gw0 at " in output, output
    assert "99 passed" in output or "100 passed" in output, output


def test_channel_closed_by_a_test(four: PytestRun, hosts: Hosts) -> None:
    """Its slot is free at once; it goes on without."""
    far = hosts.socket()
    closing = """
def test_closes_channels():
    import gc
    for thing in gc.get_objects():
        if type(thing).__name__ == "Channel" and not thing._executing:
            thing.close()
"""
    suite = suite_that_tells(four.scenario, 20, 0.02, more=closing)
    outcome = four.scenario.end(four.start(*arguments(suite, far.spec)))
    assert "21 passed" in outcome.output, outcome.output
    assert "worker gw0 goes on without job slots" in (far.folder / "server.log").read_text()
