"""Workers on other machines: real sshd, execnet's socket server, networks of their own."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile

import pytest
from hosts import Hosts, arguments, needs_sshd, suite_that_tells
from pytest_run import PytestRun
from scenario import FIFO, Scenario
from spans import most_at_once
from telling import most, ran_by_worker


@needs_sshd
def test_workers_here_and_there_beside_neighbours(scenario: Scenario, hosts: Hosts) -> None:
    """Three of each kind under make -j3, while two other targets run."""
    far = hosts.ssh(hosts.network_if_possible())
    suite = suite_that_tells(scenario, 120, 0.05)
    specs = [spec for _ in range(3) for spec in (far.spec, "popen")]
    scenario.makefile(
        FIFO,
        tests=f"pytest {' '.join(arguments(suite, *specs))}",
        one="neighbour 3",
        two="neighbour 1",
    )
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert "120 passed" in outcome.output
    assert len(outcome.of("test")) == 120
    assert most(outcome) == 3
    workers = ran_by_worker(outcome).keys()
    assert workers & {"gw0", "gw2", "gw4"}, outcome.output
    assert workers & {"gw1", "gw3", "gw5"}, outcome.output


def test_socket_servers(four: PytestRun, hosts: Hosts) -> None:
    """All of them on the implicit slot and one token: never more than two work."""
    far = [hosts.socket() for _ in range(3)]
    tokens = four.jobserver.drain()
    four.jobserver.give(tokens[:1])
    suite = suite_that_tells(four.scenario, 40, 0.02)
    outcome = four.scenario.end(four.start(*arguments(suite, *(host.spec for host in far))))
    four.jobserver.give(tokens[1:])
    assert "40 passed" in outcome.output, outcome.output
    assert most(outcome) <= 2
    assert "gw0" in ran_by_worker(outcome)


def test_all_tests_on_each(four: PytestRun, hosts: Hosts) -> None:
    """With one slot for two far workers and one that is here."""
    far = [hosts.socket() for _ in range(2)]
    tokens = four.jobserver.drain()
    suite = suite_that_tells(four.scenario, 10, 0.02)
    where = arguments(suite, *(host.spec for host in far), "popen")
    outcome = four.scenario.end(four.start(*where, "--dist=each"))
    four.jobserver.give(tokens)
    assert "30 passed" in outcome.output, outcome.output
    assert most(outcome) == 1
    assert ran_by_worker(outcome).keys() == {"gw0", "gw1", "gw2"}


def test_by_way_of_a_proxy(four: PytestRun, pytestconfig: pytest.Config) -> None:
    if not hasattr(pytestconfig.option, "px"):
        pytest.skip("this xdist has no --px")
    suite = suite_that_tells(four.scenario, 10, 0.02)
    far = f"popen//via=proxy//chdir={four.scenario.folder}/far"
    proxy = ("--px", "id=proxy//popen//execmodel=thread")
    outcome = four.scenario.end(four.start("-v", *proxy, *arguments(suite, *[far] * 2)))
    assert "10 passed" in outcome.output, outcome.output
    assert re.search(r"at most [12] and on average .* of 4 job slots in use", outcome.output)


def test_a_container_is_entered_by_the_python_option(four: PytestRun) -> None:
    """It has neither the controller's environment nor its folders."""
    suite_that_tells(four.scenario, 10, 0.02)
    inside = four.scenario.folder / "inside"
    names = ("PATH", "PYTHONPATH", "SPAN_LOG", "SCENARIO_MARK")
    kept = " ".join(f"{name}={four.scenario.environment[name]}" for name in names)
    inside.write_text(f'#!/bin/sh\nexec env -i {kept} {sys.executable} "$@"\n')
    inside.chmod(0o755)
    outcome = four.scenario.end(
        four.start("-v", f"--tx=2*popen//python={inside}", "--dist=load", "suite")
    )
    assert "10 passed" in outcome.output, outcome.output
    assert re.search(r"[12] workers? started, which", outcome.output), outcome.output


def test_a_python_of_this_machine_uses_the_socket(four: PytestRun) -> None:
    suite_that_tells(four.scenario, 10)
    here = f"--tx=2*popen//python={sys.executable}"
    outcome = four.scenario.end(four.start(here, "--dist=load", "suite"))
    assert "10 passed" in outcome.output, outcome.output
    assert "without job slots" not in outcome.output


def test_the_plugin_is_missing_there(four: PytestRun, hosts: Hosts) -> None:
    autoload = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}
    far = [hosts.socket(None, **autoload) for _ in range(2)]
    suite = suite_that_tells(four.scenario, 10)
    outcome = four.scenario.end(four.start(*arguments(suite, *(host.spec for host in far))))
    assert "10 passed" in outcome.output, outcome.output
    for host in far:
        assert (
            f"pytest-xdist-gnumake: {host.spec}: workers run without job slots,"
            " as pytest-xdist-gnumake is not installed there\n"
        ) in outcome.output


def test_without_slots(four: PytestRun, hosts: Hosts) -> None:
    """All tokens here are taken by others: no worker waits for one."""
    taken = four.jobserver.drain()
    far = [hosts.socket() for _ in range(2)]
    suite = suite_that_tells(four.scenario, 40, 0.02)
    four.scenario.write("suite/pytest.ini", "[pytest]\njobslots_remote = free\n")
    outcome = four.scenario.end(four.start("-vv", *arguments(suite, *(host.spec for host in far))))
    four.jobserver.give(taken)
    assert "40 passed" in outcome.output, outcome.output
    assert "workers on other machines run without job slots" in outcome.output
    assert ran_by_worker(outcome).keys() == {"gw0", "gw1"}


@needs_sshd
def test_slots_of_each_machine(scenario: Scenario, hosts: Hosts) -> None:
    """Three workers on each of two machines, whose pools have two slots; there is no make."""
    suite = suite_that_tells(scenario, 60, 0.05)
    pools = [tempfile.mkdtemp(prefix="pool-") for _ in range(2)]
    more = {"JOBSLOTS_JOBS": "2", "JOBSLOTS_POOL_LINGER": "0"}
    far = [hosts.ssh(hosts.network_if_possible(), JOBSLOTS_POOL=p, **more) for p in pools]
    specs = [f"3*{host.spec}" for host in far]
    outcome = scenario.pytest("--jobslots-remote=pool", *arguments(suite, *specs))
    assert "60 passed" in outcome.output, outcome.output
    assert "using dummy job server" in outcome.output
    for host, pool, workers in zip(far, pools, ("gw[012]", "gw[345]"), strict=True):
        line = f"pytest-xdist-gnumake: {host.spec}: 2 job slots of the pool in {pool}\n"
        assert outcome.output.count(line) == 1, outcome.output
        spans = [s for s in outcome.spans if re.match(workers, s.name)]
        assert most_at_once(spans) == 2
        shutil.rmtree(pool)


def test_no_pool_there(four: PytestRun, hosts: Hosts) -> None:
    far = hosts.socket(JOBSLOTS_POOL="off")
    suite = suite_that_tells(four.scenario, 5)
    outcome = four.scenario.end(four.start("--jobslots-remote=pool", *arguments(suite, far.spec)))
    assert "5 passed" in outcome.output, outcome.output
    assert (
        f"{far.spec}: workers run without job slots: JOBSLOTS_POOL is 'off' there\n"
        in outcome.output
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("jobslots_remote=all", "jobslots_remote must be 'share', 'pool' or 'free', not 'all'"),
        ("jobslots_remote_silence=1h", "jobslots_remote_silence must be a number of seconds"),
    ],
)
def test_wrong_option(scenario: Scenario, option: str, message: str) -> None:
    scenario.suite("suite", 1)
    outcome = scenario.pytest("-o", option, "suite")
    assert outcome.status == 4
    assert message in outcome.output
