"""Sessions that share a pool of job slots, with no make above."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import wait_until
from scenario import FIFO, NEIGHBOUR, LongTest, Scenario
from spans import read_spans

from pool import MakePool

PYTEST = (sys.executable, "-m", "pytest", "-q")
CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client\n"


def _start_all(scenario: Scenario, *commands: tuple[str, ...]) -> list[subprocess.Popen[str]]:
    return [scenario.start(*command) for command in commands]


def _end_all(scenario: Scenario, processes: list[subprocess.Popen[str]]) -> list[str]:
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    scenario.check_nothing_left()
    return outputs


def test_sessions_beside_each_other(scenario: Scenario, make_pool: MakePool) -> None:
    pool = make_pool(2)
    names = "abcde"
    for name in names:
        scenario.suite(name, 20, 0.03)
    runs = _start_all(scenario, *((*PYTEST, "-n", "auto", name) for name in names))
    outputs = _end_all(scenario, runs)
    for output in outputs:
        assert "20 passed" in output, output
        assert f"{CLIENT_LINE}pytest-xdist-gnumake: 2 job slots of the pool in {pool.folder}\n" in (
            output
        )
    assert scenario.spans().most == 2
    pool.close()


def test_one_is_killed_whole(scenario: Scenario, make_pool: MakePool) -> None:
    """Its broker too: the others have its slots then."""
    pool = make_pool(2)
    long = LongTest(scenario.folder)
    scenario.write("a/test_a.py", long.text)
    scenario.suite("b", 20, 0.03)
    victim = scenario.start(*PYTEST, "-n2", "a")
    long.wait()
    victims = set(scenario.processes()) - {pool.process()}
    (left,) = (scenario.folder / "tmp").glob("jobslots-*")
    other = scenario.start(*PYTEST, "-n2", "b")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    victim.communicate()
    shutil.rmtree(left)  # Its broker cannot do that any more.
    (output,) = _end_all(scenario, [other])
    assert "20 passed" in output, output
    pool.close()


def test_a_session_inside_a_test(scenario: Scenario, make_pool: MakePool) -> None:
    """It has the test's slot: all others are taken by tests that wait for such sessions too."""
    pool = make_pool(2)
    scenario.suite("inner", 3)
    inner = [*PYTEST, "-n2", "inner"]
    scenario.write(
        "outer/test_outer.py",
        "import subprocess, pytest\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        f"def test_outer(number):\n    assert subprocess.run({inner!r}).returncode == 0\n",
    )
    (output,) = _end_all(scenario, [scenario.start(*PYTEST, "-n2", "outer")])
    assert "2 passed" in output, output
    assert scenario.spans().most <= 2
    pool.close()


@pytest.mark.parametrize("harm", ["killed", "folder removed"])
def test_the_pool_dies(scenario: Scenario, make_pool: MakePool, harm: str) -> None:
    """The sessions say so and keep what they have; another pool is started."""
    pool = make_pool(2)
    for name in "ab":
        scenario.suite(name, 50, 0.1)
    runs = _start_all(scenario, *((*PYTEST, "-n2", name) for name in "ab"))
    wait_until(lambda: len([s for s in read_spans(scenario.log) if s.kind == "test"]) > 10)
    first = pool.process()
    if harm == "killed":
        os.kill(first, signal.SIGKILL)
    else:
        # The pool may see it, and leave its mark there, before all is gone.
        shutil.rmtree(pool.folder, ignore_errors=True)
    wait_until(lambda: pool.processes() not in ([], [first]))
    outputs = _end_all(scenario, runs)
    for output in outputs:
        assert "50 passed" in output, output
        assert f"pytest-xdist-gnumake: the pool in {pool.folder} has gone: " in output
    assert scenario.spans().most == 2
    pool.close()


def test_a_make_dies_with_tokens(scenario: Scenario, make_pool: MakePool) -> None:
    """They are made anew when nobody has the fifo open any more."""
    pool = make_pool(3)
    scenario.makefile(FIFO, **dict.fromkeys("abcd", f"neighbour {scenario.folder}/never"))
    join = f'eval "$(jobslots pool --env {pool.folder})"'
    shell = scenario.start("sh", "-c", f"{join}; {FIFO.command[0]}; exec sleep 60")
    wait_until(lambda: len(read_spans(scenario.log)) == 4)
    for pid, name in scenario.processes().items():
        if name not in ("jobslots", "sh"):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pool.status()["free"] == 3)
    shell.kill()
    shell.communicate()
    scenario.check_nothing_left()
    pool.close()


def test_many_starts_make_one_pool(scenario: Scenario, make_pool: MakePool) -> None:
    pool = make_pool(2)
    command = f"for i in $(seq 200); do jobslots pool --env {pool.folder} >>all & done; wait"
    shell = scenario.start("sh", "-c", f"{command}; touch all-printed; exec sleep 60")
    wait_until((scenario.folder / "all-printed").exists)
    assert (scenario.folder / "all").read_text().count("--jobserver-auth=fifo:") == 200
    assert len(pool.processes()) == 1
    shell.kill()
    shell.communicate()
    scenario.check_nothing_left()
    pool.close()


@pytest.mark.parametrize(
    ("option", "ini", "variable", "pool_is_used"),
    [
        ("", "", "", False),
        ("{pool}", "", "", True),
        ("", "{pool}", "", True),
        ("", "", "{pool}", True),
        ("off", "", "{pool}", False),
        ("{pool}", "off", "", False),
        ("{pool}", "", "off", False),
    ],
)
def test_how_it_is_switched_on(
    scenario: Scenario,
    make_pool: MakePool,
    option: str,
    ini: str,
    variable: str,
    pool_is_used: bool,
) -> None:
    folder = str(make_pool(2).folder)
    option, ini, variable = (text.format(pool=folder) for text in (option, ini, variable))
    scenario.suite("a", 1)
    scenario.write("a/pytest.ini", f"[pytest]\njobslots_pool = {ini}\n" if ini else "[pytest]\n")
    arguments = [f"--jobslots-pool={option}"] if option else []
    outcome = scenario.pytest("-q", "-n1", "a", *arguments, JOBSLOTS_POOL=variable)
    assert (CLIENT_LINE in outcome.output) == pool_is_used, outcome.output
    assert outcome.status == 0


def test_under_a_make_its_own_slots_count(scenario: Scenario, make_pool: MakePool) -> None:
    pool = make_pool(2)
    scenario.suite("a", 3)
    scenario.makefile(FIFO, a="pytest -q -n2 a")
    outcome = scenario.make(FIFO, 3)
    assert CLIENT_LINE in outcome.output
    assert "of the pool" not in outcome.output
    assert pool.processes() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("machines", 'there is no pool "machines"; cure: JOBSLOTS_POOL is machine, off, or '),
        ("/proc/pool", "the pool's folder /proc/pool cannot be made: "),
        ("/usr/bin/env", "the pool's folder /usr/bin/env cannot be entered: "),
        ("/tmp", "the pool's folder /tmp can be written to by other users; cure: name another "),
    ],
)
def test_a_pool_that_cannot_be_used(scenario: Scenario, name: str, text: str) -> None:
    scenario.suite("a", 1)
    outcome = scenario.pytest("-q", "-n1", "a", JOBSLOTS_POOL=name)
    assert f"no job server found\npytest-xdist-gnumake: {text}" in outcome.output, outcome.output
    assert outcome.status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder of another user")
def test_another_user_squats_on_the_name(scenario: Scenario, tmp_path: Path) -> None:
    scenario.suite("a", 1)
    squatted = tmp_path / "pool"
    squatted.mkdir(0o700)
    os.chown(squatted, 65534, 65534)
    outcome = scenario.pytest("-q", "-n1", "a", JOBSLOTS_POOL=str(squatted))
    assert f"the pool's folder {squatted} belongs to another user; cure: " in outcome.output
    assert outcome.status == 0


def test_a_command_inside_a_test(scenario: Scenario, make_pool: MakePool) -> None:
    """It has the test's slot, while all others are taken by such tests; so has one inside it."""
    pool = make_pool(2)
    scenario.write(
        "suite/test_a.py",
        "import subprocess, pytest\nfrom spans import wait_for\n"
        "RUN = ['jobslots', 'run', '--pool', '--']\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        "def test_a(number):\n"
        "    open(f'begun-{number}', 'w').close()\n"
        "    wait_for(f'begun-{1 - number}')\n"
        "    subprocess.run([*RUN, *RUN, 'true'], check=True)\n",
    )
    (output,) = _end_all(scenario, [scenario.start(*PYTEST, "-n2", "suite")])
    assert "2 passed" in output, output
    pool.close()


def test_all_kinds_of_commands_beside_a_session(scenario: Scenario, make_pool: MakePool) -> None:
    """A make with a session in it, ninja, and cargo where there is one that runs."""
    pool = make_pool(3)
    for name in "ab":
        scenario.suite(name, 20, 0.05)
    scenario.makefile(FIFO, a="pytest -q -n4 a", b="neighbour 0.5", c="neighbour 0.5")
    scenario.ninja_file(*(f"{NEIGHBOUR} n{n} 0.2" for n in range(4)))
    commands = [FIFO.command, ("ninja",)]
    crates = 4 if _cargo_runs() else 0
    if crates:
        commands.append(_cargo(scenario, crates))
    below = _start_all(scenario, *(("jobslots", "run", "--pool", *command) for command in commands))
    session = scenario.start(*PYTEST, "-n", "auto", "b")
    make, *_, session_output = _end_all(scenario, [*below, session])
    for output in (make, session_output):
        assert "20 passed" in output, output
    assert [process.returncode for process in below] == [0] * len(below)
    assert len(scenario.spans().of("neighbour")) == 6
    assert len(scenario.spans().of("rustc")) >= crates
    assert scenario.spans().most <= 3
    pool.close()


def _cargo_runs() -> bool:
    if shutil.which("cargo") is None:
        return False
    return subprocess.run(["cargo", "--version"], check=False).returncode == 0


def _cargo(scenario: Scenario, crates: int) -> tuple[str, ...]:
    """The command that builds so many crates, each run of rustc being a span."""
    names = [f"crate{number}" for number in range(crates)]
    scenario.write("Cargo.toml", f"[workspace]\nresolver = '2'\nmembers = {names}\n")
    for name in names:
        scenario.write(f"{name}/Cargo.toml", f"[package]\nname = '{name}'\nversion = '0.1.0'\n")
        scenario.write(f"{name}/src/lib.rs", "")
    scenario.write(
        "rustc",
        f"#!{sys.executable} -S\nimport subprocess, sys\nfrom spans import span\n"
        "with span('rustc'):\n    status = subprocess.call(sys.argv[1:])\nsys.exit(status)\n",
    )
    (scenario.folder / "rustc").chmod(0o700)
    scenario.environment["RUSTC_WRAPPER"] = str(scenario.folder / "rustc")
    return ("cargo", "build", "--offline")
