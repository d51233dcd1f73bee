"""Workers are started when there is a slot for them."""

from __future__ import annotations

from collections import defaultdict

import pytest
from marks import fifo_and_pipe
from scenario import FIFO, Make, Outcome, Scenario
from telling import CONFTEST, most, ran_by_worker

#: What depends on the inside of xdist, and so is run with each version that is supported.
inside_xdist = pytest.mark.inside_xdist

DIST_MODES = ["load", "loadscope", "loadfile", "loadgroup", "worksteal"]
#: loadfile and loadgroup are kinds of loadscope.
KINDS = ["load", "loadscope", "worksteal"]


def _workers(outcome: Outcome) -> list[str]:
    """The workers that were started, in the order in which they were."""
    return [s.name for s in outcome.of("import") if s.name != "controller"]


@fifo_and_pipe
def test_first_test_runs_when_one_worker_is_ready(scenario: Scenario, make: Make) -> None:
    """Two sessions on two slots: each runs its tests on the one worker that it has a slot for."""
    for name in ("one", "two"):
        scenario.suite(name, 12, 0.02)
        scenario.write(f"{name}/conftest.py", CONFTEST.format(seconds=0.3))
    scenario.makefile(make, one="pytest -q -n8 one", two="pytest -q -n8 two")
    outcome = scenario.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert len(outcome.of("test")) == 24
    assert most(outcome) <= 2
    for name in ("one", "two"):
        first = outcome.of("test", name)[0]
        pids = {s.pid for s in outcome.of("test", name)}
        imports = [s for s in outcome.of("import", "gw") if s.pid in pids]
        assert sum(s.begin < first.begin for s in imports) == 1


@fifo_and_pipe
def test_no_worker_is_started_without_a_slot(scenario: Scenario, make: Make) -> None:
    last = scenario.folder / "last"
    more = f"def test_last(): open({str(last)!r}, 'w').close()\n"
    scenario.suite("suite", 30, 0.02, more=more)
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.1))
    scenario.makefile(make, a=f"neighbour {last}", b=f"neighbour {last}", c="pytest -n8 suite")
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert _workers(outcome) == ["gw0"]
    assert len(outcome.of("test")) == 30


@fifo_and_pipe
def test_a_worker_is_started_when_a_neighbour_ends(scenario: Scenario, make: Make) -> None:
    """One neighbour ends in mid-run; the test after that waits for the second worker."""
    stop, second, last = (scenario.folder / name for name in ("stop", "second", "last"))
    more = f"""
from spans import wait_for

def test_ends_neighbour(): open({str(stop)!r}, "w").close()

def test_waits_for_second_worker(): wait_for({str(second)!r})

@pytest.mark.parametrize("number", range(30))
def test_more(number): time.sleep(0.02)

def test_last(): open({str(last)!r}, "w").close()
"""
    scenario.suite("suite", 4, 0.02, more=more)
    scenario.write(
        "suite/conftest.py",
        CONFTEST.format(seconds=0.1) + f"if worker == 'gw1': open({str(second)!r}, 'w').close()\n",
    )
    scenario.makefile(make, a=f"neighbour {last}", b=f"neighbour {stop}", c="pytest -n8 suite")
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert _workers(outcome) == ["gw0", "gw1"]
    assert set(ran_by_worker(outcome)) == {"gw0", "gw1"}


def _xdist_groups_tests(scenario: Scenario) -> bool:
    """Whether --dist=loadgroup does what it is for, without the plugin."""
    outcome = scenario.pytest("-p", "no:xdist_gnumake", "-n2", "-v", "--dist=loadgroup", "suite")
    return "@test_a" in outcome.output


@pytest.mark.parametrize(
    ("dist", "jobs"),
    [
        *((dist, 2) for dist in KINDS),
        *(pytest.param(dist, 4, marks=inside_xdist) for dist in DIST_MODES),
    ],
)
def test_every_test_runs_once(scenario: Scenario, dist: str, jobs: int) -> None:
    """Slots come free one after the other; the groups of each mode stay together."""
    files = [f"test_{letter}" for letter in "abcdef"]
    for name in files:
        scenario.write(
            f"suite/{name}.py",
            "import time, pytest\n"
            "class TestOne:\n"
            "    @pytest.mark.parametrize('n', range(8))\n"
            "    def test_it(self, n): time.sleep(0.02)\n"
            f"@pytest.mark.xdist_group('{name}')\n"
            "@pytest.mark.parametrize('n', range(8))\n"
            "def test_group(n): time.sleep(0.02)\n",
        )
    scenario.suite("suite")
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.05))
    (scenario.folder / "suite/test_suite.py").unlink()
    scenario.makefile(
        FIFO,
        a="neighbour 0.5",
        b="neighbour 1.0",
        c="neighbour 1.5",
        d=f"pytest -q -n6 --dist {dist} suite",
    )
    outcome = scenario.make(FIFO, jobs)
    assert outcome.status == 0, outcome.output
    assert "96 passed" in outcome.output
    ran = ran_by_worker(outcome)
    everything = [nodeid for tests in ran.values() for nodeid in tests]
    assert len(everything) == len(set(everything)) == 96
    assert outcome.most <= jobs
    keys = {
        "loadscope": lambda nodeid: nodeid.rpartition("::")[0],
        "loadfile": lambda nodeid: nodeid.partition("::")[0],
        "loadgroup": lambda nodeid: nodeid.partition("@")[2],
    }
    if dist in keys:
        owners = defaultdict(set)
        for worker, tests in ran.items():
            for nodeid in tests:
                if key := keys[dist](nodeid):
                    owners[key].add(worker)
        # The newest pytest ignores the node ids by which xdist 3.8 groups tests, with us or not.
        assert owners or (dist == "loadgroup" and not _xdist_groups_tests(scenario))
        assert all(len(workers) == 1 for workers in owners.values())


@pytest.mark.parametrize("dist", KINDS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_tests_than_workers(scenario: Scenario, dist: str, count: int) -> None:
    scenario.suite("suite", count, 0.01, more="" if count else "\ndel test_equal\n")
    scenario.makefile(FIFO, a="neighbour 0.3", b=f"-pytest -n4 --dist {dist} suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert (f"{count} passed" if count else "no tests ran") in outcome.output


@inside_xdist
def test_a_worker_that_comes_when_all_is_done_ends_quietly(scenario: Scenario) -> None:
    """The neighbour ends with the last tests, and the worker started then finds nothing to do."""
    nearly = scenario.folder / "nearly"
    more = f"def test_near_the_end(): open({str(nearly)!r}, 'w').close(); time.sleep(0.1)\n"
    scenario.suite("suite", 6, 0.05, more=more)
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.3))
    scenario.makefile(FIFO, a=f"neighbour {nearly}", b="pytest -n4 --dist worksteal suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "7 passed" in outcome.output
    assert "node down" not in outcome.output


@inside_xdist
def test_crash_of_the_only_worker(scenario: Scenario) -> None:
    """Its replacement waits for a slot like any other, and runs the rest."""
    scenario.suite("suite", 20, 0.02)
    scenario.write("suite/test_crash.py", "import os\ndef test_crash(): os._exit(1)\n")
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.1))
    last = scenario.folder / "last"
    scenario.makefile(FIFO, a="neighbour 3", b=f"-pytest -n4 suite\ntouch {last}")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "1 failed, 20 passed" in outcome.output


@inside_xdist
def test_crash_behind_a_finished_scope(scenario: Scenario) -> None:
    """The replacement is not left with the scope that is finished: xdist by itself hangs then."""
    scenario.suite("suite", 4, 0.01)
    crashed = scenario.folder / "crashed"
    scenario.write(
        "suite/test_crash.py",
        "import os\n"
        "def test_before(): pass\n"
        "def test_crash():\n"
        f"    if not os.path.exists({str(crashed)!r}):\n"
        f"        open({str(crashed)!r}, 'w').close()\n"
        "        os._exit(1)\n"
        "def test_after(): pass\n",
    )
    scenario.makefile(FIFO, a="-pytest -n1 --dist loadscope suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "1 failed, 7 passed" in outcome.output
    assert len(outcome.of("test")) == 4


@inside_xdist
@pytest.mark.parametrize("jobs", [2, 4])
def test_worker_count_and_ids_mean_what_they_mean(scenario: Scenario, jobs: int) -> None:
    more = """
import os

@pytest.mark.parametrize("n", range(20))
def test_count(n, request, worker_id):
    time.sleep(0.02)
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "4"
    assert request.config.workerinput["workercount"] == 4
    assert worker_id in {"gw0", "gw1", "gw2", "gw3"}
"""
    scenario.suite("suite", 0, 0, more=more)
    scenario.makefile(FIFO, a="neighbour 0.6", b="pytest -n4 -k count suite")
    outcome = scenario.make(FIFO, jobs)
    assert outcome.status == 0, outcome.output
    assert "20 passed" in outcome.output


@pytest.mark.parametrize("how", ["option", "ini"])
def test_all_at_once_on_demand(scenario: Scenario, how: str) -> None:
    scenario.suite("suite", 8, 0.01)
    if how == "ini":
        scenario.write("suite/pytest.ini", "[pytest]\njobslots_start = all\n")
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.05))
    option = "--jobslots-start=all" if how == "option" else ""
    scenario.makefile(FIFO, a="neighbour 1", b=f"pytest -n4 {option} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert len(_workers(outcome)) == 4
    assert most(outcome) <= 2


def test_unknown_way_to_start_is_a_usage_error(scenario: Scenario) -> None:
    scenario.suite("suite", 1)
    scenario.write("suite/pytest.ini", "[pytest]\njobslots_start = some\n")
    scenario.makefile(FIFO, a="-pytest -n2 suite")
    for outcome in (
        scenario.run(*FIFO.command, "-j2"),
        scenario.pytest("-n2", "suite"),
        scenario.pytest("suite"),
    ):
        assert "jobslots_start must be 'slots' or 'all', not 'some'" in outcome.output


@pytest.mark.parametrize(
    ("options", "conftest", "why"),
    [
        ("--dist each", "", "--dist each runs the tests on each of them"),
        ("--tx popen//env:X=1", "", "--tx makes them different from each other"),
        (
            "",
            "import xdist.dsession\ndel xdist.dsession.DSession._clone_node\n",
            "this version of pytest-xdist is not known",
        ),
    ],
)
def test_all_at_once_where_it_has_to_be(
    scenario: Scenario, options: str, conftest: str, why: str
) -> None:
    scenario.suite("suite", 6, 0.01)
    scenario.write("suite/conftest.py", CONFTEST.format(seconds=0.05) + conftest)
    tx = "--dist load --tx 3*popen" if "tx" in options else "-n3"
    scenario.makefile(FIFO, a="neighbour 1", b=f"pytest -v {tx} {options} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    line = f"pytest-xdist-gnumake: all workers are started at once: {why}"
    assert outcome.output.count(line) == 1
    assert len(_workers(outcome)) >= 3


@inside_xdist
def test_a_scheduler_of_ones_own(scenario: Scenario) -> None:
    """One that is derived from xdist's has its workers one by one, any other all at once."""
    scenario.suite("suite", 6, 0.01)
    scenario.write(
        "suite/conftest.py",
        CONFTEST.format(seconds=0.05)
        + "from xdist.scheduler import EachScheduling, LoadScopeScheduling\n"
        "class Own(LoadScopeScheduling):\n"
        "    def _split_scope(self, nodeid): return nodeid\n"
        "def pytest_xdist_make_scheduler(config, log):\n"
        "    kind = Own if os.environ['KIND'] == 'own' else EachScheduling\n"
        "    return kind(config, log)\n",
    )
    scenario.makefile(FIFO, a="neighbour 1", b="pytest -v -n3 suite")
    for kind, passed in [("own", 6), ("each", 18)]:
        scenario.environment["KIND"] = kind
        outcome = scenario.make(FIFO, 2)
        assert outcome.status == 0, outcome.output
        assert f"{passed} passed" in outcome.output


@inside_xdist
def test_status_of_start_up_is_not_written_over_the_progress(scenario: Scenario) -> None:
    """On a terminal: nothing about workers comes after the first dot."""
    scenario.suite("suite", 40, 0.02)
    scenario.makefile(FIFO, a="neighbour 0.5", b="pytest --color=no -n4 suite")
    outcome = scenario.run("script", "-qec", " ".join((*FIFO.command, "-j2")), "/dev/null")
    assert outcome.status == 0, outcome.output
    progress = outcome.output.partition("\n.")[2].partition("\n")[0]
    assert progress
    assert "worker" not in progress


@inside_xdist
@pytest.mark.parametrize("terminal", [False, True])
def test_status_at_the_first_test(scenario: Scenario, terminal: bool) -> None:
    """Who is there, and how many tests there are; not how many are still awaited."""
    last = scenario.folder / "last"
    scenario.suite("suite", 9, 0.02, more=f"def test_last(): open({str(last)!r}, 'w').close()\n")
    scenario.makefile(FIFO, a=f"neighbour {last}", b="pytest --color=no -n4 suite")
    command = (*FIFO.command, "-j2")
    if terminal:
        command = ("script", "-qec", " ".join(command), "/dev/null")
    outcome = scenario.run(*command)
    assert outcome.status == 0, outcome.output
    assert "created: 4/4 workers" in outcome.output
    before = outcome.output.partition("\n.")[0].rstrip()
    assert before.splitlines()[-1].strip() == "1 worker [10 items]"


@inside_xdist
def test_late_worker_that_collects_other_tests(scenario: Scenario) -> None:
    """It is left out; the tests of the first worker run, and nothing fails."""
    begun = scenario.folder / "begun"
    more = f"""
import os
def test_begun(): open({str(begun)!r}, "w").close()
@pytest.mark.parametrize("who", [os.environ.get("PYTEST_XDIST_WORKER")])
def test_differs(who): pass
"""
    scenario.suite("suite", 60, 0.02)
    scenario.write("suite/test_a.py", f"import pytest\n{more}")
    scenario.makefile(FIFO, a=f"neighbour {begun}", b="pytest -q -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    line = "gw1 runs no tests: it has collected other tests than the first one"
    assert outcome.output.count(f"\npytest-xdist-gnumake: {line}\n") == 1
    assert "62 passed" in outcome.output
