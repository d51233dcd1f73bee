"""The plugin in pytest, beside a jobserver of the test's own."""

from __future__ import annotations

import os
import sys

import pytest
from jobserver import Jobserver

CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"
DUMMY_LINE = "pytest-xdist-gnumake using dummy job server: no job server found"


@pytest.fixture(params=["inprocess", "subprocess"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> object:
    """Run pytest in this process or in one of its own."""
    return getattr(pytester, f"runpytest_{request.param}")


def _run(run: object, *arguments: str) -> pytest.RunResult:
    assert callable(run)
    result = run("-p", "no:cacheprovider", *arguments)
    assert isinstance(result, pytest.RunResult)
    return result


def test_line_with_a_jobserver(
    run: object, pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    pytester.makepyfile("def test_one(): pass\ndef test_two(): assert False")
    result = _run(run, "-n2")
    result.assert_outcomes(passed=1, failed=1)
    assert result.outlines.count(CLIENT_LINE) == 1


def test_line_without_a_jobserver(run: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")
    result = _run(run, "-n2")
    result.assert_outcomes(passed=1)
    assert result.outlines.count(DUMMY_LINE) == 1


def test_environment_is_as_before(pytester: pytest.Pytester, jobserver: Jobserver) -> None:
    pytester.makepyfile("def test_one(): pass")
    before = dict(os.environ)
    pytester.runpytest_inprocess("-n2").assert_outcomes(passed=1)
    assert dict(os.environ) == before


def test_workers_do_not_pass_the_address_on(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    pytester.makepyfile(
        "import os\n"
        "def test_one(): assert not [n for n in os.environ if n.startswith('PYTEST_XDIST_GNU')]"
    )
    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=1)


@pytest.mark.parametrize("count", ["auto", "logical"])
def test_auto_is_the_number_of_job_slots(
    pytester: pytest.Pytester, jobserver: Jobserver, count: str
) -> None:
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_subprocess("-n", count)
    result.stdout.fnmatch_lines(["created: 3*"])


@pytest.mark.parametrize(
    ("variable", "option", "count"),
    [("2", "", 2), ("2", "1", 1), ("", "2", 2), ("2", "default", 3), ("many", "", 3), ("0", "", 3)],
)
def test_auto_is_the_number_of_cpus_by_hand(
    pytester: pytest.Pytester,
    jobserver: Jobserver,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    option: str,
    count: int,
) -> None:
    pytester.makepyfile("def test_one(): pass")
    if sys.version_info >= (3, 13) and variable in ("many", "0"):
        pytest.skip("Python itself refuses it")
    monkeypatch.setenv("PYTHON_CPU_COUNT", variable)
    options = ["-X", f"cpu_count={option}"] if option else []
    result = pytester.run(sys.executable, *options, "-m", "pytest", "-n", "auto")
    result.stdout.fnmatch_lines([f"created: {count}*"])


def test_a_hook_in_conftest_decides_on_auto(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    pytester.makeconftest("def pytest_xdist_auto_num_workers(config): return 1")
    pytester.makepyfile("def test_one(): pass")
    pytester.runpytest_subprocess("-n", "auto").stdout.fnmatch_lines(["created: 1*"])


def test_unraisable_and_resource_warnings_are_errors(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    """The plugin leaves no file, socket, process or thread for the garbage collector."""
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(
        """
        import gc, threading

        def test_one(): gc.collect()
        def test_threads():
            assert {t.name for t in threading.enumerate()} <= {"MainThread", "Dummy-1", "Dummy-2"}
        def test_two(): gc.collect()
        """
    )
    result = pytester.run(sys.executable, "-X", "dev", "-W", "error", "-m", "pytest", "-n2")
    result.assert_outcomes(passed=3)


def test_slot_is_held_in_the_outermost_place(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    """A conftest's own tryfirst wrapper around the test runs inside the slot."""
    pytester.makeconftest(
        """
        import pytest
        from pytest_xdist_gnumake.worker import Work

        def held(config):
            work = [p for p in config.pluginmanager.get_plugins() if isinstance(p, Work)]
            return work[0]._slot.held

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_protocol(item):
            if hasattr(item.config, "workerinput"):
                assert held(item.config)
            result = yield
            if hasattr(item.config, "workerinput"):
                assert held(item.config)
            return result

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_sessionfinish(session):
            if hasattr(session.config, "workerinput"):
                assert held(session.config)
            return (yield)
        """
    )
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
    result = pytester.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=2)


def test_a_broker_that_cannot_be_started_for_any_reason(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    """Here by what a conftest file has done to a module that starting a process needs."""
    pytester.makeconftest(
        """
        import subprocess

        execute = subprocess.Popen._execute_child
        def guard(self, args, *others):
            if "broker" in args:
                raise RuntimeError("no processes in tests")
            return execute(self, args, *others)
        subprocess.Popen._execute_child = guard
        """
    )
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=1)
    assert CLIENT_LINE in result.outlines
    result.stdout.fnmatch_lines(
        "*without the broker *: the job slot broker cannot be started: RuntimeError('no proc*"
    )
