"""Suites that count on all workers being there before the first test, as they are with xdist."""

from __future__ import annotations

import pytest
from scenario import FIFO, Outcome, Scenario
from test_start import KINDS, inside_xdist

LINE = "pytest-xdist-gnumake: all workers are started at once: "

#: A batch is done when all workers have collected: the tests need that.
BATCH = """
from pathlib import Path

DONE = Path(__file__).with_name("done")

class Batch:
    def __init__(self):
        self.collected = set()

    def pytest_xdist_node_collection_finished(self, node, ids):
        self.collected.add(node.gateway.id)
        if len(self.collected) == 3:
            DONE.touch()

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Batch())
"""

#: The last of all workers ends the service.
SERVICE = """
import fcntl, os, pytest
from pathlib import Path

HERE = Path(__file__).parent

@pytest.fixture(scope="session", autouse=True)
def service():
    (HERE / "runs").touch()
    yield
    with open(HERE / "finished", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("x")
        file.flush()
        file.seek(0)
        if len(file.read()) == int(os.environ["PYTEST_XDIST_WORKER_COUNT"]):
            (HERE / "runs").unlink()
"""


def _suite(scenario: Scenario) -> None:
    """Tests in a folder of their own."""
    scenario.suite("suite")
    scenario.write(
        "suite/tests/test_it.py",
        "import pathlib, time, pytest\n"
        "@pytest.mark.parametrize('n', range(24))\n"
        "def test_it(n):\n"
        "    time.sleep(0.05)\n",
    )


def _run(scenario: Scenario, options: str = "-v -n3", until: object = 0.6) -> Outcome:
    """With one slot from the beginning, and a second one later, or when a file appears."""
    scenario.makefile(FIFO, a=f"neighbour {until}", b=f"pytest {options} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "24 passed" in outcome.output
    return outcome


@inside_xdist
def test_a_plugin_waits_for_all_collections(scenario: Scenario) -> None:
    _suite(scenario)
    scenario.write("suite/conftest.py", BATCH)
    with (scenario.folder / "suite/tests/test_it.py").open("a") as tests:
        tests.write("    assert pathlib.Path(__file__).parents[1].joinpath('done').exists()\n")
    outcome = _run(scenario)
    assert f"{LINE}conftest.py has pytest_xdist_node_collection_finished" in outcome.output


@inside_xdist
@pytest.mark.parametrize(
    ("place", "dist"),
    [("suite/conftest.py", "load"), *(("suite/tests/conftest.py", dist) for dist in KINDS)],
)
def test_the_last_worker_tears_down(scenario: Scenario, place: str, dist: str) -> None:
    """Known from the beginning, or when the first worker has collected: before any test."""
    _suite(scenario)
    for name in ("two", "three"):  # A scope for each worker.
        scenario.write(f"suite/tests/test_{name}.py", "def test_it(): pass\n")
    scenario.write(place, SERVICE)
    scenario.makefile(FIFO, a="neighbour 0.6", b=f"pytest -v -n3 --dist {dist} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "26 passed" in outcome.output
    assert f"{LINE}conftest.py has PYTEST_XDIST_WORKER_COUNT" in outcome.output
    assert (scenario.folder / place).with_name("finished").read_text() == "xxx"
    assert not (scenario.folder / place).with_name("runs").exists()


@inside_xdist
@pytest.mark.parametrize("place", ["suite/conftest.py", "suite/tests/conftest.py"])
def test_one_that_is_awaited_dies(scenario: Scenario, place: str) -> None:
    """The tests wait for its replacement, or run without it, but never for ever."""
    _suite(scenario)
    scenario.write(
        place,
        "import os  # PYTEST_XDIST_WORKER_COUNT\n"
        "def pytest_collection_modifyitems():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw2':\n"
        "        os._exit(1)\n",
    )
    _run(scenario)


@inside_xdist
def test_each_session_wipes_a_folder(scenario: Scenario) -> None:
    _suite(scenario)
    scenario.write(
        "suite/conftest.py",
        "import pathlib, shutil\n"
        "def pytest_sessionstart():\n"
        "    out = pathlib.Path(__file__).with_name('out')\n"
        "    shutil.rmtree(out, ignore_errors=True)\n"
        "    out.mkdir(exist_ok=True)\n",
    )
    scenario.write(
        "suite/tests/test_it.py",
        "import pathlib, time, pytest\n"
        "@pytest.mark.parametrize('n', range(24))\n"
        "def test_it(n):\n"
        "    path = pathlib.Path(__file__).parents[1] / 'out' / str(n)\n"
        "    path.touch()\n"
        "    time.sleep(0.05)\n"
        "    assert path.exists()\n",
    )
    assert f"{LINE}conftest.py has pytest_sessionstart" in _run(scenario).output


@inside_xdist
@pytest.mark.parametrize(("place", "is_seen"), [("dist-packages", False), ("helpers", True)])
def test_a_plugin_beside_the_suite(scenario: Scenario, place: str, is_seen: bool) -> None:
    """One that is installed has its hooks for each suite."""
    _suite(scenario)
    scenario.write(f"{place}/plugin.py", "def pytest_sessionstart(): pass\n")
    scenario.environment["PYTHONPATH"] = str(scenario.folder / place)
    output = _run(scenario, "-v -n3 -p plugin").output
    assert (f"{LINE}plugin.py has pytest_sessionstart" in output) is is_seen


@inside_xdist
def test_parameters_from_files_that_tests_write(scenario: Scenario) -> None:
    """A worker that comes when there are more is left out."""
    _suite(scenario)
    for number in range(24):
        scenario.write(f"suite/data/{number}.txt", "")
    scenario.write(
        "suite/tests/test_it.py",
        "import pathlib, time, pytest\n"
        "DATA = pathlib.Path(__file__).parents[1] / 'data'\n"
        "@pytest.mark.parametrize('name', sorted(p.name for p in DATA.glob('*.txt')))\n"
        "def test_it(name):\n"
        "    time.sleep(0.05)\n"
        "    (DATA / name).with_suffix('.out.txt').touch()\n",
    )
    outcome = _run(scenario, "-q -n2", scenario.folder / "suite/data/0.out.txt")
    line = "pytest-xdist-gnumake: gw1 runs no tests: it has collected other tests than the first"
    assert outcome.output.count(line) == 1


@inside_xdist
@pytest.mark.parametrize("how", ["in a test file", "in the plugin"])
def test_a_late_worker_cannot_collect(scenario: Scenario, how: str) -> None:
    """What fails because tests have begun fails no run: the worker is left out."""
    _suite(scenario)
    begun = scenario.folder / "begun"
    text = (scenario.folder / "suite/tests/test_it.py").read_text()
    text += f"    open({str(begun)!r}, 'w').close()\n"
    fails = f"assert not pathlib.Path({str(begun)!r}).exists()\n"
    if how == "in a test file":
        text = f"import pathlib\n{fails}{text}"
    else:
        hook = f"import pathlib\ndef pytest_collection():\n    {fails}"
        scenario.write("suite/conftest.py", hook)
    scenario.write("suite/tests/test_it.py", text)
    outcome = _run(scenario, "-q -n2", begun)
    assert outcome.output.count("pytest-xdist-gnumake: gw1 runs no tests: it has ") == 1


@inside_xdist
def test_a_late_worker_cannot_be_started(scenario: Scenario) -> None:
    """The system has no room for it, or a hook fails: the others run all tests."""
    _suite(scenario)
    begun = scenario.folder / "begun"
    with (scenario.folder / "suite/tests/test_it.py").open("a") as tests:
        tests.write(f"    open({str(begun)!r}, 'w').close()\n")
    scenario.write(
        "suite/conftest.py",
        "import errno\n"
        "def pytest_configure_node(node):\n"
        "    if node.gateway.id == 'gw1':\n"
        "        raise OSError(errno.EAGAIN, 'no room')\n",
    )
    outcome = _run(scenario, "-q -n2", begun)
    line = "pytest-xdist-gnumake: gw1 cannot be started: BlockingIOError(11, 'no room')"
    assert outcome.output.count(line) == 1


@inside_xdist
def test_a_scheduler_that_counts_its_workers(scenario: Scenario) -> None:
    """Derived from xdist's, and other than that in what matters: it has them all at once."""
    _suite(scenario)
    scenario.write(
        "suite/conftest.py",
        "from xdist.scheduler import LoadScheduling\n"
        "class Own(LoadScheduling):\n"
        "    @property\n"
        "    def collection_is_completed(self):\n"
        "        assert self.numnodes > 2\n"
        "        return super().collection_is_completed\n"
        "def pytest_xdist_make_scheduler(config, log): return Own(config, log)\n",
    )
    assert f"{LINE}Own is a scheduler of its own" in _run(scenario).output


@inside_xdist
def test_more_workers_than_on_the_command_line(scenario: Scenario) -> None:
    """A hook may add some: they count, and come like the others."""
    _suite(scenario)
    scenario.write(
        "suite/conftest.py",
        "import execnet, pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_xdist_setupnodes(config, specs):\n"
        "    spec = execnet.XSpec(str(specs[0]))\n"
        "    spec.id = 'added'\n"
        "    specs.append(spec)\n"
        "def pytest_configure_node(node):\n"
        "    assert node.workerinput['worker' + 'count'] == 2\n",
    )
    outcome = _run(scenario, "-v -n1", 0.3)
    assert "2 workers started" in outcome.output
    assert LINE not in outcome.output
