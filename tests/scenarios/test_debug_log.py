"""JOBSLOTS_LOG: what the brokers of a run were told and have decided."""

from __future__ import annotations

from scenario import FIFO, Scenario


def test_two_sessions_share_a_log(scenario: Scenario) -> None:
    for name in ("a", "b"):
        scenario.suite(name, 3, 0.01)
    scenario.makefile(FIFO, a="pytest -q -n2 a", b="pytest -q -n2 b")
    log = scenario.folder / "jobslots.log"
    scenario.environment["JOBSLOTS_LOG"] = str(log)
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
    brokers = {process for _, process, _ in lines}
    assert len(brokers) == 2
    for broker in brokers:
        said = [what for _, process, what in lines if process == broker]
        assert said[0].startswith("controller says: title pytest")
        assert said[1].startswith("controller says: start gw0")
        assert "controller is told: begin gw0" in said
        assert any(what.endswith("says: hello 1 worker gw0") for what in said)
        assert sum(what.endswith("says: done") for what in said) >= 4
        assert said.count("takes a token") == said.count("returns a token")
        assert "controller says: bye" in said


def test_a_log_that_cannot_be_written(scenario: Scenario) -> None:
    scenario.suite("suite", 3, 0.01)
    scenario.makefile(FIFO, a="pytest -q -n2 suite")
    scenario.environment["JOBSLOTS_LOG"] = str(scenario.folder)
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "3 passed" in outcome.output
