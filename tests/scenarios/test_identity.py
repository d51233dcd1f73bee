"""Whose jobserver it is: numbers and names that mean one thing to make and another one here."""

from __future__ import annotations

import os
import sys

import pytest
from jobserver import Jobserver
from marks import fifo_and_pipe
from scenario import FIFO, PIPE, SYSTEM, SYSTEM_PLUS, Make, Scenario
from test_without_jobserver import CLIENT_LINE, DUMMY_LINE

# A program with a pipe of its own at the numbers that make has closed; its child inherits it.
LAUNCHER = """
import os, subprocess, sys
read_end, write_end = os.pipe()
for end in (read_end, write_end):
    os.set_inheritable(end, True)
content = sys.argv[1].encode()
os.write(write_end, content)
status = subprocess.call(sys.argv[2:], close_fds=False)
os.set_blocking(read_end, False)
try:
    left = os.read(read_end, 99)
except BlockingIOError:
    left = b""
print("the launcher's pipe", (read_end, write_end), "is", "as it was" if left == content else left)
sys.exit(status)
"""

# A jobserver over a socket, over a pipe for each direction, or over one pipe.
SERVER = """
import os, socket, subprocess, sys, threading, time
kind, slots = sys.argv[1], int(sys.argv[2])
tokens = b"+" * (slots - 1)
pump = None
if kind == "socket":
    ours, theirs = socket.socketpair()
    ours.sendall(tokens)
    read_end = write_end = theirs.fileno()
    def pump():
        while token := ours.recv(1):
            ours.sendall(token)
elif kind == "two-pipes":
    read_end, to_clients = os.pipe()
    from_clients, write_end = os.pipe()
    os.write(to_clients, tokens)
    def pump():
        while token := os.read(from_clients, 1):
            os.write(to_clients, token)
else:
    read_end, write_end = os.pipe()
    os.write(write_end, tokens)
if pump:
    threading.Thread(target=pump, daemon=True).start()
for end in (read_end, write_end):
    os.set_inheritable(end, True)
flags = f" -j{slots} --jobserver-auth={read_end},{write_end}"
environment = {**os.environ, "MAKEFLAGS": flags}
status = subprocess.call(sys.argv[3:], close_fds=False, env=environment)
os.set_blocking(read_end, False)
back = b""
deadline = time.monotonic() + 30
while len(back) < len(tokens) and time.monotonic() < deadline:
    try:
        back += os.read(read_end, 99)
    except BlockingIOError:
        time.sleep(0.001)
print("tokens back:", len(back), "at", read_end, write_end)
sys.exit(status)
"""

PYTEST = f"{sys.executable} -m pytest"


@pytest.fixture
def suite(scenario: Scenario) -> Scenario:
    scenario.suite("suite", 24, 0.02)
    scenario.write("launcher.py", LAUNCHER)
    scenario.write("server.py", SERVER)
    return scenario


@pytest.mark.parametrize(
    ("make", "content"),
    [(SYSTEM, "abcdef"), (SYSTEM, ""), (SYSTEM_PLUS, "abcdef"), (PIPE, "abcdef")],
    ids=str,
)
def test_a_foreign_pipe_at_the_numbers_of_makes(suite: Scenario, make: Make, content: str) -> None:
    """make's own pipe is used, and nothing is read from or written to the other one."""
    suite.makefile(make, neighbour="neighbour 0.3", session="")
    with (suite.folder / "Makefile").open("a") as makefile:
        launcher = f"{sys.executable} launcher.py '{content}'"
        makefile.write(f"\t{make.plus}{launcher} {PYTEST} -q -n6 suite\n")
    outcome = suite.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert "is as it was" in outcome.output
    if make is SYSTEM:
        assert "pipe (3, 4)" in outcome.output, "this make leaves no numbers behind"
    assert 2 <= outcome.most <= 3


@pytest.mark.parametrize("make", [SYSTEM, SYSTEM_PLUS, FIFO], ids=str)
def test_a_program_in_between_serves_a_jobserver_of_its_own(suite: Scenario, make: Make) -> None:
    """Also at the very numbers that make has closed."""
    server = f"{sys.executable} server.py pipe 4"
    suite.write("Makefile", f"all:\n\t{make.plus}{server} {PYTEST} -v -n6 suite\n")
    outcome = suite.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert " of 4 job slots in use" in outcome.output
    assert "tokens back: 3" in outcome.output
    assert outcome.most <= 4


@pytest.mark.parametrize("kind", ["socket", "two-pipes"])
@pytest.mark.parametrize("make", [None, SYSTEM_PLUS], ids=str)
def test_what_works_for_make_works_here(suite: Scenario, make: Make | None, kind: str) -> None:
    """A socket as both ends, or a pipe for each direction; with and without a make in between."""
    inner: tuple[str, ...] = (sys.executable, "-m", "pytest", "-v", "-n4", "suite")
    if make is not None:
        suite.makefile(make, neighbour="neighbour 0.3", session="")
        with (suite.folder / "Makefile").open("a") as makefile:
            makefile.write(f"\t+{' '.join(inner)}\n")
        inner = make.command
    outcome = suite.run(sys.executable, "server.py", kind, "3", *inner)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert " of 3 job slots in use" in outcome.output
    assert "tokens back: 2" in outcome.output
    assert 2 <= outcome.most <= 3


def test_a_relative_fifo_and_a_conftest_that_changes_the_folder(suite: Scenario) -> None:
    """make 4.4 takes the folder as TMPDIR names it; it is that of make."""
    (suite.folder / "elsewhere").mkdir()
    suite.write("suite/conftest.py", "import os\nos.chdir(os.environ['ELSEWHERE'])\n")
    suite.write("Makefile", f"all:\n\t{PYTEST} -q -n4 $(CURDIR)/suite\n")
    command = ("env", "TMPDIR=./tmp", *FIFO.command, "-j3")
    outcome = suite.run(*command, ELSEWHERE=str(suite.folder / "elsewhere"))
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert outcome.most <= 3


def test_the_path_of_a_descriptor(suite: Scenario) -> None:
    jobserver = Jobserver(suite.folder, 3, pipe=True)
    path = f"/proc/{os.getpid()}/fd/{jobserver.inherited[0]}"
    outcome = suite.pytest("-n4", "suite", MAKEFLAGS=f" -j3 --jobserver-auth=fifo:{path}")
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert jobserver.drain() == jobserver.tokens()
    jobserver.close()


@fifo_and_pipe
def test_an_empty_makeflags_leaves_the_jobserver(suite: Scenario, make: Make) -> None:
    """As for make itself and for ninja; make sets MFLAGS too, which they do not read."""
    suite.write("Makefile", f"all:\n\t{make.plus}MAKEFLAGS= {PYTEST} -q -n2 suite\n")
    outcome = suite.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert DUMMY_LINE in outcome.output
    assert "pytest-xdist-gnumake: " not in outcome.output, "nothing is wrong"
