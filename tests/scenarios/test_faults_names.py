"""A process whose names belong to others: what a conftest file or a test has replaced for good.

What the plugin needs of Python's modules it has taken when it was imported, and of the environment
and the folder before the first conftest file.
"""

from __future__ import annotations

import sys

import pytest
from scenario import FIFO, PIPE, Make, Scenario

GUARD = """
def guard(*args, **kwargs):
    raise RuntimeError("not in tests")
"""

#: But for what this test itself uses.
CLEAR = """
import os
KEPT = ("SPAN_LOG", "SCENARIO_MARK", "PYTEST_DEBUG_TEMPROOT")
def clear():
    kept = {name: os.environ[name] for name in KEPT}
    os.environ.clear()
    os.environ.update(kept)
"""

#: In the controller and in each worker, as each imports it.
CONFTESTS = {
    "network guard": f"""
import socket
import ssl  # Its own class is made from that of the socket, when a plugin of pytest imports it.
{GUARD}
for name in ("connect", "send", "recv", "close", "fileno", "settimeout"):
    setattr(socket.socket, name, guard)
socket.socket = socket.socketpair = socket.create_connection = guard
""",
    "network guard from the first test on": f"""
import socket
{GUARD}
def pytest_runtest_setup(): socket.socket = guard
""",
    "no threads": f"""
import threading, _thread
{GUARD}
def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        import queue
        queue.SimpleQueue = guard
        threading.Thread.__init__ = guard
""",
    "mocks that are never stopped": """
from unittest import mock
for name in ("os.getpid", "os.write", "os.fstat", "os.unlink", "os.rmdir", "time.monotonic",
             "threading.Thread", "queue.SimpleQueue", "pathlib.Path.unlink", "subprocess.run"):
    mock.patch(name).start()
""",
    "environment cleared": f"{CLEAR}\nclear()\n",
    "environment cleared again and again": f"""
{CLEAR}
def pytest_configure(): clear()
def pytest_xdist_setupnodes(): clear()
def pytest_configure_node(): clear()
def pytest_runtest_logreport(): clear()
""",
    "environment that is another one": "import os\nos.environ = {**os.environ}\n",
    "warnings are errors": "import warnings\nwarnings.simplefilter('error')\n",
}


@pytest.mark.parametrize("kind", CONFTESTS)
def test_replaced_names(scenario: Scenario, kind: str) -> None:
    """Also for the worker that comes later, when the neighbour has ended."""
    half = scenario.folder / "half"
    more = (
        "import os\n"
        f"def test_half(): open({str(half)!r}, 'w').close()\n"
        "@pytest.mark.parametrize('number', range(30))\n"
        "def test_more(number):\n"
        "    with span('test', 'more'):\n"
        "        time.sleep(0.03)\n"
    )
    scenario.suite("suite", 4, 0.02, more=more)
    scenario.write("suite/conftest.py", CONFTESTS[kind])
    scenario.makefile(FIFO, a=f"neighbour {half}", b="pytest -v -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "35 passed" in outcome.output
    assert "pytest-xdist-gnumake using gnu make jobserver client" in outcome.output
    assert "2 workers started" in outcome.output
    assert "without job slots" not in outcome.output
    assert outcome.most <= 2


@pytest.mark.parametrize("make", [FIFO, PIPE], ids=str)
def test_another_folder(scenario: Scenario, make: Make) -> None:
    """A fifo's path may be relative, to the folder in which pytest was started."""
    scenario.suite("suite", 4, 0.01)
    scenario.write("elsewhere/file", "")
    elsewhere = str(scenario.folder / "elsewhere")
    scenario.write("suite/conftest.py", f"import os\nos.chdir({elsewhere!r})\n")
    scenario.environment["MAKE_TMPDIR"] = "."
    scenario.makefile(make, a=f"pytest -n2 {scenario.folder}/suite")
    outcome = scenario.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert "4 passed" in outcome.output
    assert "pytest-xdist-gnumake using gnu make jobserver client" in outcome.output


def test_the_folder_is_gone(scenario: Scenario) -> None:
    """In which pytest was started: the broker is started in another one."""
    scenario.suite("suite", 4, 0.01)
    scenario.write(
        "suite/conftest.py",
        "import os\n"
        "if 'PYTEST_XDIST_WORKER' not in os.environ:\n"
        "    folder = os.getcwd()\n"
        f"    os.chdir({str(scenario.folder)!r})\n"
        "    os.rmdir(folder)\n"
        "    def pytest_testnodedown():  # pytest goes back there.\n"
        "        os.makedirs(folder, exist_ok=True)\n",
    )
    recipe = f"mkdir gone; cd gone && {sys.executable} -m pytest -n2 {scenario.folder}/suite"
    scenario.makefile(FIFO, a=recipe)
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "4 passed" in outcome.output
    assert "pytest-xdist-gnumake using gnu make jobserver client" in outcome.output


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"},
    ],
    ids=["ASCII", "output in ASCII"],
)
def test_names_that_the_locale_does_not_have(scenario: Scenario, locale: dict[str, str]) -> None:
    scenario.suite(
        "suite",
        more="@pytest.mark.parametrize('n', ['\u00e9', '\u4e16', '\\U0001f600'])\n"
        "def test_named(n): pass\n",
    )
    name = "caf\u00e9.json"  # Not on the command line: execnet does not pass it on then.
    toml = f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider --jobslots-trace={name}'\n"
    (scenario.folder / "suite/pyproject.toml").write_bytes(toml.encode())
    (scenario.folder / "suite/pytest.ini").unlink()  # Some iniconfig reads it as the locale is.
    scenario.environment.update(locale)
    scenario.makefile(FIFO, a="pytest -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "3 passed" in outcome.output
    assert "UnicodeEncodeError" not in outcome.output
    assert (scenario.folder / name).exists(), outcome.output
