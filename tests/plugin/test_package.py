"""What is in the wheel, and that it can be built where there is no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from pytest_xdist_gnumake.broker import EXECUTABLE

TOP = Path(__file__).resolve().parents[2]

# The configuration of this Python is read first: there is none for the platform pretended.
BUILD = """
import sys, sysconfig
import packaging.tags
import scikit_build_core.build

sysconfig.get_config_vars()
sys.platform = "freebsd14"
print(scikit_build_core.build.build_wheel(sys.argv[1]))
"""


def test_elsewhere_it_is_pure_python_and_needs_no_compiler(tmp_path: Path) -> None:
    no_tools = {"CC": "/nonexistent", "CXX": "/nonexistent", "PATH": str(tmp_path)}
    command = [sys.executable, "-c", BUILD, str(tmp_path)]
    subprocess.run(command, cwd=TOP, env={**os.environ, **no_tools}, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "pytest_xdist_gnumake/plugin.py" in names
    assert not [name for name in names if "/bin/" in name]


@pytest.mark.skipif(not shutil.which("c++"), reason="it is compiled")
def test_an_editable_install_finds_its_program(tmp_path: Path) -> None:
    """The sources in one folder, the program in another."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", *options, "-e", TOP],
        env={**os.environ, "PYTHONPATH": str(EXECUTABLE.parents[2])},  # What builds it.
        check=True,
    )
    shown = subprocess.run(
        [tmp_path / "venv/bin/jobslots", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("jobslots ")
    where = "import pytest_xdist_gnumake.broker as b; print(b.__file__, b.EXECUTABLE)"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    source, program = found.stdout.split()
    assert Path(source).parent == TOP / "python" / "pytest_xdist_gnumake"
    assert tmp_path in Path(program).parents


def test_one_wheel_serves_every_python() -> None:
    text = metadata.distribution("pytest-xdist-gnumake").read_text("WHEEL") or ""
    assert "Tag: py3-none-linux_" in text


def test_runtime_requirements() -> None:
    assert metadata.requires("pytest-xdist-gnumake") == ["pytest>=8", "pytest-xdist>=3.6"]


def test_command_line() -> None:
    version = metadata.version("pytest-xdist-gnumake")
    for command in ([str(EXECUTABLE)], [sys.executable, "-m", "pytest_xdist_gnumake"]):
        shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert shown.stdout == f"jobslots {version}\n"
        usage = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
        assert usage.stdout.startswith("usage: jobslots")
        wrong = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("jobslots: there is no command nonsense\nusage: jobslots")


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    package = tmp_path / "pytest_xdist_gnumake"
    shutil.copytree(EXECUTABLE.parents[1], package)
    (package / "bin" / "jobslots").chmod(0o600)
    command = [sys.executable, "-m", "pytest_xdist_gnumake", "doctor"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == (
        f"jobslots: {package}/bin/jobslots cannot be started (Permission denied);"
        " cure: reinstall pytest-xdist-gnumake\n"
    )


def test_the_broker_is_not_started_by_hand() -> None:
    command = [str(EXECUTABLE), "broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()  # It does not wait for what is typed.
    assert process.returncode == 2
    assert said == b"jobslots broker: started by the pytest plugin, not by hand\n"


def test_the_demo_runs_the_makefile_of_the_readme() -> None:
    _, _, after = (TOP / "README.md").read_text().partition("```make\n")
    makefile, _, _ = after.partition("```")
    assert (TOP / "examples" / "shop" / "Makefile").read_text() == makefile
