"""Beside other plugins, with the real packages: run in the virtual environment that has them."""

from __future__ import annotations

import re

import pytest
from scenario import FIFO, Outcome, Scenario

for module in (
    "django",
    "freezegun",
    "gevent",
    "pyfakefs",
    "pytest_asyncio",
    "pytest_cov",
    "pytest_django",
    "pytest_randomly",
    "pytest_rerunfailures",
    "pytest_timeout",
):
    pytest.importorskip(module)

CODE = """
def grade(points):
    if points > 90:
        return "A"
    if points > 50:
        return "B"
    return "C"
"""


@pytest.fixture
def suite(scenario: Scenario) -> Scenario:
    """A suite without pytest-randomly's order, which has a test of its own."""
    scenario.suite("suite")
    scenario.write("suite/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider -p no:randomly\n")
    (scenario.folder / "suite/test_suite.py").unlink()
    return scenario


def _both(suite: Scenario, options: str, jobs: int = 2) -> tuple[Outcome, Outcome]:
    """The run without the plugin and without make, and the run under make beside a neighbour."""
    without = suite.pytest("-p", "no:xdist_gnumake", *options.split(), "suite")
    suite.makefile(FIFO, a="neighbour 0.6", b=f"-pytest {options} suite")
    outcome = suite.make(FIFO, jobs)
    assert outcome.status == 0
    assert "pytest-xdist-gnumake using gnu make jobserver client" in outcome.output
    return without, outcome


@pytest.mark.parametrize("jobs", [2, 4])
def test_cov_has_the_same_total(suite: Scenario, jobs: int) -> None:
    suite.write("suite/code.py", CODE)
    suite.write(
        "suite/test_code.py",
        "import time, pytest, code_under_test as code\n"
        "@pytest.mark.parametrize('n', range(30))\n"
        "def test_grade(n): time.sleep(0.02); assert code.grade(n * 2 + 1) in 'BC'\n",
    )
    (suite.folder / "suite/code.py").rename(suite.folder / "suite/code_under_test.py")
    suite.environment["PYTHONPATH"] += f":{suite.folder}/suite"
    options = "-n4 --cov=code_under_test --cov-report=term-missing"
    without, outcome = _both(suite, options, jobs)
    line = re.compile(r"^suite/code_under_test.*$", re.MULTILINE)
    assert "30 passed" in outcome.output
    assert line.findall(outcome.output) == line.findall(without.output) != []


@pytest.mark.parametrize("start", ["slots", "all"])
def test_timeout_does_not_count_waiting(suite: Scenario, start: str) -> None:
    """Four workers take turns on one slot: each waits for longer than its test may last."""
    suite.write(
        "suite/test_it.py",
        "import time, pytest\n"
        "@pytest.mark.parametrize('n', range(8))\n"
        "def test_it(n): time.sleep(0.5)\n",
    )
    last = suite.folder / "last"
    recipe = f"pytest -n4 --timeout=1.2 --jobslots-start={start} suite\ntouch {last}"
    suite.makefile(FIFO, a=f"neighbour {last}", b=recipe)
    outcome = suite.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "8 passed" in outcome.output


def test_timeout_ends_a_test(suite: Scenario) -> None:
    suite.write("suite/test_it.py", "import time\ndef test_it(): time.sleep(60)\n")
    _, outcome = _both(suite, "-n2 --timeout=0.5")
    assert "1 failed" in outcome.output


def test_rerunfailures_runs_again(suite: Scenario) -> None:
    suite.write(
        "suite/test_it.py",
        "import pytest\nseen = []\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(n):\n"
        "    seen.append(n)\n"
        "    assert n % 2 or seen.count(n) > 2\n",
    )
    _, outcome = _both(suite, "-n2 --reruns 2")
    assert "6 passed, 6 rerun" in outcome.output


def test_randomly_orders_all_workers_alike(suite: Scenario) -> None:
    """Workers that came in later too: xdist refuses a worker whose tests are in another order."""
    suite.write("suite/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
    suite.write(
        "suite/test_it.py",
        "import time, pytest\n"
        "@pytest.mark.parametrize('n', range(60))\n"
        "def test_it(n): time.sleep(0.03)\n",
    )
    _, outcome = _both(suite, "-n3 -v -p randomly", jobs=3)
    assert "60 passed" in outcome.output
    assert "Different tests" not in outcome.output
    assert len(set(re.findall(r"\[(gw\d)\]", outcome.output))) == 3


def test_asyncio(suite: Scenario) -> None:
    suite.write(
        "suite/test_it.py",
        "import asyncio, pytest\n"
        "@pytest.mark.asyncio\n"
        "@pytest.mark.parametrize('n', range(10))\n"
        "async def test_it(n): await asyncio.sleep(0.01)\n",
    )
    _, outcome = _both(suite, "-n2")
    assert "10 passed" in outcome.output


def test_django_has_a_database_for_each_worker(suite: Scenario) -> None:
    suite.write(
        "suite/settings.py",
        "SECRET_KEY = 'x'\n"
        "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3',\n"
        "             'NAME': 'db.sqlite3', 'TEST': {'NAME': 'test.sqlite3'}}}\n"
        "USE_TZ = True\n",
    )
    suite.write(
        "suite/test_it.py",
        "import time, pytest\n"
        "from django.db import connection\n"
        "from django.contrib.auth.models import User\n"
        "@pytest.mark.django_db\n"
        "@pytest.mark.parametrize('n', range(20))\n"
        "def test_it(n, worker_id):\n"
        "    User.objects.create(username='one')\n"
        "    assert User.objects.count() == 1\n"
        "    assert worker_id in connection.settings_dict['NAME']\n"
        "    time.sleep(0.02)\n",
    )
    suite.environment["PYTHONPATH"] += f":{suite.folder}/suite"
    _, outcome = _both(suite, "-n3 --ds=settings", jobs=3)
    assert "20 passed" in outcome.output


@pytest.mark.parametrize("module", ["socket", "os", "time"])
def test_gevent(suite: Scenario, module: str) -> None:
    """Its sockets in the place of Python's. (Its threads do not go together with xdist.)"""
    suite.write("suite/conftest.py", f"from gevent import monkey\nmonkey.patch_{module}()\n")
    suite.write(
        "suite/test_it.py",
        "import time, pytest\n"
        "@pytest.mark.parametrize('n', range(40))\n"
        "def test_it(n): time.sleep(0.03)\n",
    )
    _, outcome = _both(suite, "-n2 -v -p no:rerunfailures")
    assert "40 passed" in outcome.output
    assert "2 workers started" in outcome.output


def test_fake_file_system_and_clock(suite: Scenario) -> None:
    """For the whole session, and so between the tests too."""
    suite.write(
        "suite/conftest.py",
        "import freezegun, pytest\n"
        "from pytest_xdist_gnumake.worker import Work\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_protocol(item):\n"
        "    plugins = item.config.pluginmanager.get_plugins()\n"
        "    (work,) = [plugin for plugin in plugins if isinstance(plugin, Work)]\n"
        "    connection = item.config.stash.setdefault(KEY, work._slot._connection._socket)\n"
        "    assert work._slot.held and work._slot._connection._socket is connection\n"
        "    return (yield)\n"
        "KEY = pytest.StashKey()\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def fakes(fs_session):\n"
        "    with freezegun.freeze_time('2020-01-01'):\n"
        "        yield\n",
    )
    suite.write(
        "suite/test_it.py",
        "import os, pytest\n"
        "@pytest.mark.parametrize('n', range(40))\n"
        "def test_it(n): assert not os.path.exists('/proc')\n",
    )
    suite.makefile(FIFO, a="neighbour 0.6", b="pytest -n2 -v -p no:timeout suite")
    outcome = suite.make(FIFO, 2)
    assert "40 passed" in outcome.output
    assert "without job slots" not in outcome.output
