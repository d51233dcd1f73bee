"""libjobslots as its users have it: installed or included, and its examples under real makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
CMAKE = str(TOOLS / "cmake")
MAKE = str(TOOLS / "make")
SYSTEM_MAKE = shutil.which("make", path="/usr/bin:/bin") or "make"

#: Seconds after which a program counts as hung.
HUNG = 60.0


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def _must(*command: str | Path, cwd: Path) -> str:
    outcome = _run(*command, cwd=cwd)
    assert outcome.returncode == 0, outcome.stdout
    return outcome.stdout


def _configure(source: Path, build: Path, *options: str) -> str:
    return _must(
        CMAKE, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={TOOLS / 'ninja'}",
        "-DCMAKE_UNITY_BUILD=ON", "-S", source, "-B", build, *options, cwd=build.parent,
    )  # fmt: skip


def _build_and_install(build: Path, prefix: Path) -> set[str]:
    """The files that are installed."""
    _must(CMAKE, "--build", build, cwd=build.parent)
    _must(CMAKE, "--install", build, "--prefix", prefix, cwd=build.parent)
    return {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the examples, linked with a library that was built without JSON."""
    folder = tmp_path_factory.mktemp("library")
    said = _configure(
        REPOSITORY, folder / "build", "-DNLOHMANN_JSON_INCLUDE_DIR=", "-DCMAKE_BUILD_TYPE=Debug"
    )
    assert "Only the library is built" in said
    files = _build_and_install(folder / "build", folder / "prefix")
    assert {path.split("/")[0] for path in files} == {"include", "lib"}
    assert {"include/jobslots/client.h", "include/jobslots/pool_client.h"} <= files
    _configure(
        REPOSITORY / "examples" / "cpp",
        folder / "examples",
        f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}",
    )
    _must(CMAKE, "--build", folder / "examples", cwd=folder)
    return folder / "examples"


#: A job that logs its begin and its end.
JOB = "echo + >> log; sleep 0.2; echo - >> log"


def _most_at_once(folder: Path, jobs: int) -> int:
    events = (folder / "log").read_text().split()
    assert events.count("+") == events.count("-") == jobs
    running = [events[: i + 1].count("+") - events[: i + 1].count("-") for i in range(len(events))]
    return max(running)


@pytest.mark.parametrize("plus", ["", "+"])
@pytest.mark.parametrize("make", [MAKE, SYSTEM_MAKE])
def test_a_job_queue_ends_and_keeps_to_the_slots(
    examples: Path, tmp_path: Path, make: str, plus: str
) -> None:
    """It holds all slots for its own jobs: only their ends give one back."""
    jobs = " ".join([f"'{JOB}'"] * 6)
    (tmp_path / "Makefile").write_text(f"all:\n\t{plus}{examples}/pmap {jobs}\n")
    outcome = _run("timeout", str(HUNG), make, "-j2", cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stdout
    assert _most_at_once(tmp_path, 6) == 2


def test_a_job_queue_says_that_a_job_has_failed(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"all:\n\t{examples}/pmap true 'exit 3' true\n")
    outcome = _run(MAKE, "-j2", cwd=tmp_path)
    assert "Error 3" in outcome.stdout


@pytest.mark.parametrize(("style", "make"), [("", MAKE), ("--pipe", MAKE), ("--pipe", SYSTEM_MAKE)])
def test_a_server_shares_its_slots_among_makes(
    examples: Path, tmp_path: Path, style: str, make: str
) -> None:
    """Its second command has a token, and both makes together keep to N."""
    (tmp_path / "Makefile").write_text(f"all: 1 2 3 4\n1 2 3 4:\n\t@{JOB}\n")
    command = f"{make} --no-print-directory"
    outcome = _run(
        "timeout", str(HUNG), examples / "serve", *style.split(), "3", command, command,
        cwd=tmp_path,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout
    assert "jobserver" not in outcome.stdout, "no make complains"
    assert _most_at_once(tmp_path, 8) == 3


def test_a_server_without_a_slot(examples: Path, tmp_path: Path) -> None:
    outcome = _run(examples / "serve", "0", "true", cwd=tmp_path)
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("serve: a jobserver of 0 job slots could run nothing; cure: ")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a pool of two slots in a folder of its own, which ends when the test does.

    The library was built without the program, which is the one of the C++ tests."""
    folder = tmp_path / "pool"
    yield {
        "PATH": f"{REPOSITORY / 'build' / 'cpp'}:/usr/bin:/bin",
        "JOBSLOTS_POOL": str(folder),
        "JOBSLOTS_JOBS": "2",
        "JOBSLOTS_POOL_LINGER": "1",
    }
    shutil.rmtree(folder)  # It is removed under a pool that still runs: that ends then.


def test_job_queues_share_a_pool(examples: Path, tmp_path: Path, pool: dict[str, str]) -> None:
    """Two at once in different shells, and never more than N jobs of both."""
    queues = [
        subprocess.Popen(
            [examples / "poolmap", *[JOB] * 6],
            cwd=tmp_path,
            env=pool,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [queue.communicate(timeout=HUNG)[0] for queue in queues]
    assert said == ["", ""]
    assert [queue.returncode for queue in queues] == [0, 0]
    assert _most_at_once(tmp_path, 12) == 2


def test_a_job_queue_and_a_make_share_a_pool(
    examples: Path, tmp_path: Path, pool: dict[str, str]
) -> None:
    """The slot that the queue starts it with is its implicit one; others it takes from the fifo."""
    (tmp_path / "Makefile").write_text(f"all: 1 2 3 4\n1 2 3 4:\n\t@{JOB}\n")
    within = f"MAKEFLAGS='-j --jobserver-auth=fifo:{tmp_path}/pool/v1.fifo' {MAKE} || echo !"
    outcome = _run(examples / "poolmap", within, *[JOB] * 4, cwd=tmp_path, **pool)
    assert outcome.returncode == 0, outcome.stdout
    assert "jobserver" not in outcome.stdout, "no make complains"
    assert _most_at_once(tmp_path, 8) == 2


def test_a_job_queue_without_the_program_that_is_the_pool(
    examples: Path, tmp_path: Path, pool: dict[str, str]
) -> None:
    outcome = _run(examples / "poolmap", "true", cwd=tmp_path, **{**pool, "PATH": "/usr/bin:/bin"})
    assert outcome.returncode == 1
    assert outcome.stdout == (
        "poolmap: no pool can be started: there is no program jobslots on PATH; cure: install "
        "pytest-xdist-gnumake, or add the folder of jobslots to PATH\n"
    )


def test_as_a_part_of_another_project(tmp_path: Path) -> None:
    """Nothing but the library is built and installed with it, and its settings stay its own."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\n"
        "project(user LANGUAGES CXX)\n"
        "include(FetchContent)\n"
        f"FetchContent_Declare(jobslots SOURCE_DIR {REPOSITORY})\n"
        "FetchContent_MakeAvailable(jobslots)\n"
        f"add_executable(user {REPOSITORY}/examples/cpp/slots.cc)\n"
        "target_compile_features(user PRIVATE cxx_std_20)\n"
        "target_link_libraries(user PRIVATE jobslots::jobslots)\n"
        "install(TARGETS user)\n"
        'message(STATUS "build type is [${CMAKE_BUILD_TYPE}]")\n'
    )
    said = _configure(tmp_path, tmp_path / "build", "-DCMAKE_BUILD_TYPE=")
    assert "build type is []" in said
    assert "nlohmann" not in said
    files = _build_and_install(tmp_path / "build", tmp_path / "prefix")
    assert {path for path in files if path.startswith("bin/")} == {"bin/user"}
    assert {path.split("/")[0] for path in files} == {"bin", "include", "lib"}


@pytest.mark.parametrize("cxx", ["", "g++ -m64"], ids=["any", "named"])
def test_without_a_compiler(tmp_path: Path, cxx: str) -> None:
    """One sentence says what is missing and how to get it."""
    command = [CMAKE, "-S", str(REPOSITORY), "-B", str(tmp_path / "build")]
    outcome = _run(*command, cwd=tmp_path, PATH=str(tmp_path), CXX=cxx)
    assert outcome.returncode != 0
    said = " ".join(outcome.stdout.split())
    assert "There is no C++ compiler (tried: " in said
    assert "apt-get install g++" in said
    assert said.count("CMake Error") == 1
