"""Few tokens and many, other clients that take and return what they like, many workers."""

from __future__ import annotations

import time

import pytest
from marks import each_kind_of_make, each_way_to_start
from processes import cpu_ticks, parent, state, wait_until
from pytest_run import PytestRun
from scenario import FIFO, LongTest, Make, Scenario


@each_way_to_start
@pytest.mark.parametrize("tokens", [0, 1, 4096])
def test_number_of_tokens(scenario: Scenario, tokens: int, start: str) -> None:
    run = PytestRun(scenario, tokens + 1)
    scenario.suite("suite", 30, 0.02)
    outcome = scenario.end(run.start("-n4", f"--jobslots-start={start}", "suite"))
    assert outcome.status == 0, outcome.output
    assert "30 passed" in outcome.output
    assert outcome.most <= tokens + 1
    assert run.jobserver.drain() == run.jobserver.tokens()
    run.jobserver.close()


def test_a_client_elsewhere_steals_all_tokens_and_returns_too_many(scenario: Scenario) -> None:
    run = PytestRun(scenario, 3)
    scenario.suite("suite", 40, 0.02, more=run.long.text)
    process = run.start("-n4", "suite")
    run.long.wait()
    broker = run.broker()
    stolen = len(run.jobserver.drain())
    _stays_asleep(broker)
    run.jobserver.give(b"?" * (stolen + 5))
    _stays_asleep(broker, but_for=3)
    run.long.let_go()
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert "41 passed" in outcome.output
    assert len(run.jobserver.drain()) == 2 + 5
    run.jobserver.close()


def _stays_asleep(pid: int, but_for: int = 1) -> None:
    """It uses no more than so many hundredths of a second of CPU in a second."""
    before = cpu_ticks(pid)
    time.sleep(1)  # The time over which CPU is counted.
    assert cpu_ticks(pid) - before <= but_for


@each_kind_of_make
def test_waiting_costs_no_cpu(scenario: Scenario, make: Make) -> None:
    """One long test and one long neighbour hold both slots; all other workers wait."""
    long = LongTest(scenario.folder)
    empty = "".join(f"def test_empty_{n}(): pass\n" for n in range(12))
    scenario.suite("suite", more=long.text + empty)
    scenario.makefile(make, a=f"neighbour {long.stop}", b="pytest -q -n4 suite")
    process = scenario.start(*make.command, "-j2")
    long.wait()
    processes = scenario.processes()
    (controller,) = {parent(p) for p in processes} & {
        p for p, name in processes.items() if name not in ("make", "sh")
    }
    waiting = [*scenario.brokers(), *(p for p in processes if parent(p) == controller)]
    assert len(waiting) > 1
    wait_until(lambda: all(state(p) == "S" for p in waiting))
    for _ in range(10):  # Who does not wait uses some each time; who has just begun to wait, once.
        before = {p: cpu_ticks(p) for p in waiting}
        time.sleep(2)  # The time over which CPU is counted.
        used = sorted(cpu_ticks(p) - before[p] for p in waiting)
        if not any(used[:-1]):
            break
    long.let_go()
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    # The long test itself looks for its file a hundred times a second.
    assert used[:-1] == [0] * (len(used) - 1), used


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
