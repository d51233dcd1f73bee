"""Nobody stuck: the broker killed, or on a system that does not let it see the end of processes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import test_faults_session
import test_faults_workers
from pytest_run import PytestRun
from scenario import FIFO, Make, Scenario


@pytest.mark.parametrize(
    ("start", "more"), [("slots", ""), ("all", "def test_fails(): assert False\n")]
)
def test_the_broker_is_killed(scenario: Scenario, start: str, more: str) -> None:
    """The tokens that it held are lost: nobody else knows of them."""
    run = PytestRun(scenario, 3)
    scenario.suite("suite", 40, 0.02, more=run.long.text + more)
    process = run.start("-n4", f"--jobslots-start={start}", "suite")
    run.long.wait()
    address = run.address()
    os.kill(run.broker(), signal.SIGKILL)
    run.long.let_go()
    outcome = scenario.end(process)
    assert outcome.status == (1 if more else 0)
    assert "41 passed" in outcome.output
    said = re.findall(r"the job slot broker cannot be reached: worker (gw\d)", outcome.output)
    assert said
    assert len(said) == len(set(said))
    assert not address.parent.exists()
    assert len(run.jobserver.drain()) <= 2, "tokens come from nowhere"
    run.jobserver.close()


@pytest.mark.parametrize(
    ("dist", "workers"), [("load", 1), ("load", 2), ("loadscope", 2), ("worksteal", 2)]
)
def test_all_workers_die_after_the_broker(scenario: Scenario, dist: str, workers: int) -> None:
    """No slot will come for those that replace them: they are started without."""
    run = PytestRun(scenario, 3)
    # Once: xdist runs such a test again with --dist=loadscope.
    crashes = f"""
import os
from pathlib import Path

@pytest.mark.parametrize("n", range({workers}))
def test_dies(n):
    if not Path(f"died-{{n}}").exists():
        Path(f"died-{{n}}").touch()
        os._exit(1)
"""
    scenario.suite("suite", 0, more=run.long.text + crashes)
    process = run.start(f"-n{workers}", f"--dist={dist}", "suite")
    run.long.wait()
    os.kill(run.broker(), signal.SIGKILL)
    run.long.let_go()
    outcome = scenario.end(process)
    assert outcome.status == 1
    assert f"{workers} failed, " in outcome.output
    assert "1 passed" in outcome.output or dist == "loadscope"
    run.jobserver.close()


@pytest.mark.parametrize("switch", [{}, {"JOBSLOTS_NO_PIDFD": "1"}], ids=["with", "without"])
def test_a_session_with_and_without_pidfds(four: PytestRun, switch: dict[str, str]) -> None:
    """The switch does what it says, and the session is the same."""
    four.scenario.suite("suite", 40, 0.02, more=four.long.text)
    process = four.start("-n4", "suite", **switch)
    four.long.wait()
    links = [str(link.readlink()) for link in Path(f"/proc/{four.broker()}/fd").iterdir()]
    pidfds = [link for link in links if re.match(r"anon_inode:\[pidfd|pidfd:", link)]
    assert bool(pidfds) is not bool(switch)
    four.long.let_go()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert outcome.most <= 4


@pytest.mark.parametrize(
    "fault",
    [
        test_faults_workers.test_workers_that_die_take_no_token_along,
        test_faults_session.test_killed_controller,
        test_faults_session.test_killed_session,
    ],
)
def test_death_without_pidfds(scenario: Scenario, fault: Callable[[Scenario, Make], None]) -> None:
    scenario.environment["JOBSLOTS_NO_PIDFD"] = "1"
    fault(scenario, FIFO)
