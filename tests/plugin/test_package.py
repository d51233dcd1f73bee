"""What is in the wheel, and that it can be built where there is no compiler."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import pytest_xdist_gnumake
from package_page import page
from pytest_xdist_gnumake.executable import EXECUTABLE

TOP = Path(__file__).resolve().parents[2]

in_checkout = pytest.mark.skipif(
    not (TOP / "build" / "dist").is_dir(), reason="needs the wheel that `make` has built"
)

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
    pytest.importorskip("scikit_build_core")
    no_tools = {"CC": "/nonexistent", "CXX": "/nonexistent", "PATH": str(tmp_path)}
    command = [sys.executable, "-c", BUILD, str(tmp_path)]
    subprocess.run(command, cwd=TOP, env={**os.environ, **no_tools}, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "pytest_xdist_gnumake/plugin.py" in names
    assert not [name for name in names if "jobslots" in name]


def test_one_wheel_serves_every_python() -> None:
    text = metadata.distribution("pytest-xdist-gnumake").read_text("WHEEL") or ""
    assert re.search(r"^Tag: py3-none-(many|musl)?linux", text, re.MULTILINE)


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


def test_what_comes_with_the_command() -> None:
    files = metadata.files("pytest-xdist-gnumake")
    if files is None:
        pytest.skip("a distribution's package, which has a list of its own")
    installed = {str(file) for file in files}
    for name in (
        "man/man1/jobslots.1",
        "bash-completion/completions/jobslots",
        "zsh/site-functions/_jobslots",
        "fish/vendor_completions.d/jobslots.fish",
    ):
        assert [file for file in installed if file.endswith(f"share/{name}")]


def test_the_bill_of_materials() -> None:
    """It names what is linked into the program, with versions."""
    package = metadata.distribution("pytest-xdist-gnumake")
    bill = json.loads(package.read_text("sboms/jobslots.cdx.json") or "")
    assert bill["metadata"]["component"]["version"] == package.version
    components = {part["name"]: part["version"] for part in bill["components"]}
    assert "nlohmann-json" in components
    assert not [part for part in components.items() if not re.fullmatch(r"\d+(\.\d+)*", part[1])]


README = """
![A picture](docs/demo.svg)
[A page](docs/a.md), [another](https://example.org), [here](#here).
"""


def test_the_page_of_the_package_leads_to_its_repository() -> None:
    assert (
        page(README, "https://example.org", "v1.2.3")
        == """
![A picture](https://example.org/raw/v1.2.3/docs/demo.svg)
[A page](https://example.org/blob/v1.2.3/docs/a.md), [another](https://example.org), [here](#here).
"""
    )


def test_the_page_of_a_package_without_a_repository_leads_nowhere() -> None:
    assert (
        page(README, None, "v1.2.3")
        == """
*A picture.*
*A page*, [another](https://example.org), [here](#here).
"""
    )


def _pip_install(*arguments: str | Path) -> None:
    quiet = ["-q", "--disable-pip-version-check", "--no-deps", "--ignore-installed"]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *arguments], check=True)


def _program_found(site_packages: Path) -> Path:
    """What the package in this folder takes for its program, which must run."""
    lines = (
        f"import site, subprocess; site.addsitedir({str(site_packages)!r})",
        "from pytest_xdist_gnumake.executable import EXECUTABLE",
        "subprocess.run([EXECUTABLE, '--version'], stdout=subprocess.DEVNULL, check=True)",
        "print(EXECUTABLE)",
    )
    # Without site, as the virtual environment of these tests has an installation too.
    command = [sys.executable, "-S", "-c", "\n".join(lines)]
    return Path(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout[:-1])


def test_the_command_is_the_program_itself() -> None:
    if sys.prefix != sys.base_prefix:
        assert Path(sys.executable).with_name("jobslots") == EXECUTABLE
    assert EXECUTABLE.read_bytes().startswith(b"\x7fELF")


@in_checkout
@pytest.mark.parametrize("where", ["--target", "--prefix"])
def test_the_program_is_found_wherever_pip_puts_it(tmp_path: Path, where: str) -> None:
    """A --user installation looks like one with --prefix."""
    (wheel,) = (TOP / "build" / "dist").glob("*.whl")
    _pip_install(where, tmp_path, wheel)
    (package,) = tmp_path.rglob("pytest_xdist_gnumake")
    assert _program_found(package.parent) == tmp_path / "bin" / "jobslots"


@in_checkout
def test_the_program_of_an_editable_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is in the checkout; the program is where pip puts it.

    It is built with nothing but what the package asks for, and without an optimiser's time.
    """
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    build = f"--config-settings=build-dir={TOP}/build/editable"
    quick = "--config-settings=cmake.build-type=Debug"
    _pip_install(build, quick, "--prefix", tmp_path, "-e", TOP)
    (metadata_folder,) = tmp_path.rglob("*.dist-info")
    assert _program_found(metadata_folder.parent) == tmp_path / "bin" / "jobslots"


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    """One of its own: the package does not take the program of another installation."""
    site_packages = tmp_path / "lib" / "python3" / "site-packages"
    package = Path(pytest_xdist_gnumake.__file__).parent
    shutil.copytree(package, site_packages / "pytest_xdist_gnumake")
    program = tmp_path / "bin" / "jobslots"
    program.parent.mkdir()
    shutil.copy(EXECUTABLE, program)
    program.chmod(0o600)
    command = [sys.executable, "-m", "pytest_xdist_gnumake", "doctor"]
    said = subprocess.run(command, cwd=site_packages, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == (
        f"jobslots: {program} cannot be started (Permission denied);"
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
