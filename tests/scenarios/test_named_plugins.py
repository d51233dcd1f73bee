"""Plugins that are not found but named, as distributions do when they run a package's tests."""

from __future__ import annotations

from marks import any_make
from scenario import Make, Scenario
from test_without_jobserver import CLIENT_LINE, DUMMY_LINE, times_named

#: As Gentoo's epytest calls pytest.
NAMED = "-p xdist -p xdist_gnumake -n4 --dist=worksteal"


@any_make
def test_they_share_the_slots(scenario: Scenario, make: Make) -> None:
    scenario.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    scenario.suite("suite", 20, 0.05)
    scenario.makefile(make, a="neighbour 0.5", b=f"pytest {NAMED} suite")
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert len(outcome.of("test")) == 20
    assert outcome.most == 3


def test_without_make(scenario: Scenario) -> None:
    scenario.suite("suite", 4)
    outcome = scenario.pytest(*NAMED.split(), "suite", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert outcome.status == 0, outcome.output
    assert DUMMY_LINE in outcome.output


def test_a_plugin_that_is_not_named_does_nothing(scenario: Scenario) -> None:
    scenario.suite("suite", 4)
    outcome = scenario.pytest("-p", "xdist", "-n2", "suite", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert outcome.status == 0, outcome.output
    assert times_named(outcome) == 0
