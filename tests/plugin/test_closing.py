"""What is said at the end of a run, and where its trace goes."""

from __future__ import annotations

import fcntl
import json
import re
import socket
from pathlib import Path

import pytest
from jobserver import Jobserver
from pytest_xdist_gnumake.broker import BrokerProcess, Sums
from pytest_xdist_gnumake.packets import PacketSocket
from pytest_xdist_gnumake.protocol import Begin, Summed, Synced, Untraced, WorkerSums, encode
from pytest_xdist_gnumake.report import closing_lines, lent_line

PREFIX = "pytest-xdist-gnumake: "
CLOSING = re.compile(
    PREFIX + r"at most (\d+) and on average (\d\.\d\d) of 3 job slots in use;"
    r" (\d+) workers? started, which waited \d+\.\d s in total"
)
WORKER = re.compile(PREFIX + r"(gw\d) had a job slot for \d+\.\d s and waited \d+\.\d s for one")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider")
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def broken():
            raise ValueError

        def test_passed(): pass
        def test_failed(): assert False
        def test_skipped(): pytest.skip()
        def test_error(broken): pass
        @pytest.mark.xfail
        def test_xfailed(): assert False
        @pytest.mark.xfail
        def test_xpassed(): pass
        """
    )
    return pytester


def _said(result: pytest.RunResult) -> list[str]:
    """The plugin's lines, but for the first."""
    return [line for line in result.outlines if line.startswith(PREFIX)]


def _trace(path: Path) -> dict[str, str]:
    """The tests of a trace and their outcomes."""
    events = json.loads(path.read_text())
    return {
        event["name"].partition("::")[2]: event.get("args", {}).get("outcome", "")
        for event in events
        if event.get("cat") == "test"
    }


def test_a_line_at_the_end(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    (line,) = _said(suite.runpytest_subprocess("-n2"))
    match = CLOSING.fullmatch(line)
    assert match, line
    most, average, workers = map(float, match.groups())
    assert 1 <= most <= workers <= 2
    assert 0 < average <= most


def test_no_line_where_pytest_is_quiet(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    assert _said(suite.runpytest_subprocess("-n2", "-q")) == []


@pytest.mark.parametrize("start", ["slots", "all"])
def test_a_line_for_each_worker(suite: pytest.Pytester, jobserver: Jobserver, start: str) -> None:
    said = _said(suite.runpytest_subprocess("-n2", "-v", f"--jobslots-start={start}"))
    if start == "all":
        assert said.pop(0) == f"{PREFIX}all workers are started at once: jobslots_start is 'all'"
    closing, *workers = said
    match = CLOSING.fullmatch(closing)
    assert match, closing
    assert len(workers) == int(match[3])
    names = {match[1] for line in workers if (match := WORKER.fullmatch(line))}
    assert len(names) == len(workers)


def test_no_line_without_workers(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    assert _said(suite.runpytest_subprocess("-nauto", "--collect-only")) == []


def test_the_number_of_slots_may_not_be_known() -> None:
    second = 10**9
    sums = Sums(Summed(2, 10 * second, 0, 0), (WorkerSums("gw0", 12 * second, 3 * second),))
    assert list(closing_lines(sums, 0, False)) == [
        f"{PREFIX}at most 2 and on average 1.20 job slots in use;"
        " 1 worker started, which waited 3.0 s in total"
    ]


def test_slots_that_were_lent() -> None:
    second = 10**9
    sums = Sums(Summed(2, 10 * second, 3, 4 * second), (WorkerSums("gw0", second, 0),))
    assert list(closing_lines(sums, 2, False))[1:] == [
        f"{PREFIX}nothing moved, so that a job slot more was lent 3 times, for 4.0 s in total"
    ]
    assert lent_line("gw1", ["gw0"], [f"test_{n}" for n in range(12)]).endswith(
        "held by gw0, in " + ", ".join(f"test_{n}" for n in range(10)) + ", 2 more"
    )


def test_trace(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    result = suite.runpytest_subprocess("-n2", "--jobslots-trace=trace.json")
    path = suite.path / "trace.json"
    assert _said(result)[1:] == [f"{PREFIX}trace in {path}"]
    assert _trace(path) == {
        f"test_{outcome}": outcome
        for outcome in ("passed", "failed", "skipped", "error", "xfailed", "xpassed")
    }
    first, *others = json.loads(path.read_text())
    assert first["name"] == "process_name"
    assert first["args"]["job_slots"] == 3
    program, *words = first["args"]["name"].split()
    assert program == "pytest"
    assert "-n2" in words
    assert not [word for word in words if "jobslots-trace" in word]
    kinds = {(event["ph"], event["name"]) for event in others}
    assert {("X", "starting"), ("X", "finishing"), ("C", "job slots held")} < kinds


def test_trace_of_a_quiet_run(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    assert _said(suite.runpytest_subprocess("-n2", "-q", "--jobslots-trace", "a %p.json")) == []
    (path,) = suite.path.glob("a *.json")
    assert len(_trace(path)) == 6
    assert path.name == f"a {json.loads(path.read_text())[0]['pid']}.json"


def test_any_name_of_a_test(pytester: pytest.Pytester, jobserver: Jobserver) -> None:
    pytester.makepyfile(
        r"""
        import pytest

        @pytest.mark.parametrize("what", ["x" * 5000, "</script>", "\udc80", "\u00e9" * 3000])
        def test_it(what):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-n2", "--jobslots-trace=trace.json")
    result.assert_outcomes(passed=4)
    names = list(_trace(pytester.path / "trace.json"))
    assert len(names) == 4
    assert "test_it[</script>]" in names


def test_a_test_that_ends_the_session(pytester: pytest.Pytester, jobserver: Jobserver) -> None:
    """It has no outcome, nor that of the test before."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def end():
            pytest.exit("enough")

        def test_before(): pass
        def test_end(end): pass
        """
    )
    pytester.runpytest_subprocess("-n1", "--jobslots-trace=trace.json")
    trace = _trace(pytester.path / "trace.json")
    assert trace == {"test_before": "passed", "test_end": ""}


def test_a_failed_subtest(pytester: pytest.Pytester, jobserver: Jobserver) -> None:
    """The test itself is reported as passed."""
    pytester.makepyfile(
        """
        import unittest

        class TestIt(unittest.TestCase):
            def test_sub(self):
                with self.subTest("a"):
                    assert False
        """
    )
    result = pytester.runpytest_subprocess("-n1", "--jobslots-trace=trace.json")
    assert result.ret == 1
    assert _trace(pytester.path / "trace.json") == {"TestIt::test_sub": "failed"}


def test_arguments_that_are_paths(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    script = suite.makepyfile(
        main="import pytest, pathlib\n"
        "pytest.main([pathlib.Path('test_a_failed_subtest.py'), '-n1', '--jobslots-trace=t.json'])"
    )
    (suite.path / "test_a_failed_subtest.py").write_text("def test_it(): pass\n")
    suite.runpython(script)
    assert _trace(suite.path / "t.json") == {"test_it": "passed"}


def test_a_test_that_closes_sockets_has_not_died(
    pytester: pytest.Pytester, jobserver: Jobserver
) -> None:
    """The broker does not learn of its outcome."""
    pytester.makepyfile(
        """
        import os, stat

        def test_close():
            for name in os.listdir("/proc/self/fd"):
                try:
                    if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                        os.close(int(name))
                except OSError:
                    pass

        def test_after(): pass
        """
    )
    result = pytester.runpytest_subprocess("-n1", "--jobslots-trace=trace.json")
    result.assert_outcomes(passed=2)
    trace = _trace(pytester.path / "trace.json")
    assert trace == {"test_close": "", "test_after": "passed"}


def _no_folder(path: Path) -> str:
    path.rmdir()
    return "No such file or directory"


def _a_folder(path: Path) -> str:
    (path / "trace.json").mkdir()
    return "Is a directory"


@pytest.mark.parametrize("prepare", [_no_folder, _a_folder])
def test_no_trace_but_all_tests(
    suite: pytest.Pytester, jobserver: Jobserver, prepare: object
) -> None:
    folder = suite.mkdir("folder")
    assert callable(prepare)
    why = prepare(folder)
    result = suite.runpytest_subprocess("-n2", "--jobslots-trace=folder/trace.json")
    result.assert_outcomes(passed=1, failed=1, skipped=1, errors=1, xfailed=1, xpassed=1)
    no_trace, closing = _said(result)
    assert no_trace == f"{PREFIX}no trace in {folder}/trace.json: {why}"
    assert CLOSING.fullmatch(closing)


def test_the_trace_ends_while_workers_are_asked_for() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        broker = BrokerProcess(PacketSocket(ours), 3, "")
        for message in (Begin("gw0"), Untraced("No space left on device"), Synced()):
            theirs.send(encode(message))
        assert broker.start_workers(["gw0", "gw1"]) == ["gw0"]
        assert broker.untraced == "No space left on device"


@pytest.mark.parametrize("name", ["x/" * 3000, "%p" * 60_000], ids=["path", "packet"])
def test_a_name_that_is_too_long(suite: pytest.Pytester, jobserver: Jobserver, name: str) -> None:
    """Longer than any path, and than any packet of a socket."""
    result = suite.runpytest_subprocess("-n2", f"--jobslots-trace={name}", timeout=60)
    assert _said(result)[0].endswith(": its name is too long")


def test_two_sessions_do_not_write_to_one_file(
    suite: pytest.Pytester, jobserver: Jobserver
) -> None:
    path = suite.path / "trace.json"
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = suite.runpytest_subprocess("-n2", f"--jobslots-trace={path}")
    assert _said(result)[0].startswith(f"{PREFIX}no trace in {path}: another session writes to it")
    assert path.read_text() == ""


def test_no_trace_without_a_jobserver(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-n2", "--jobslots-trace=trace.json")
    line = f"{PREFIX}no trace in {suite.path}/trace.json: there is no job server"
    assert _said(result) == [line]


def test_no_trace_without_xdist(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    result = suite.runpytest_subprocess("--jobslots-trace=trace.json")
    line = f"{PREFIX}no trace in {suite.path}/trace.json: pytest-xdist is not used"
    assert _said(result) == [line]


def test_a_worker_whose_name_has_a_blank(suite: pytest.Pytester, jobserver: Jobserver) -> None:
    result = suite.runpytest_subprocess("-v", "--dist=load", "--tx", "popen//id=a b")
    closing, worker = _said(result)
    assert CLOSING.fullmatch(closing), closing
    assert worker.startswith(f"{PREFIX}a b had a job slot for ")
    result.stderr.no_fnmatch_line("*Exception*")
