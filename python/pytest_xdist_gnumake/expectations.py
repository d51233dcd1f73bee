"""Whether a test suite counts on all workers being there before the first test runs.

xdist has them all collect first. So a suite may count them, or change something in each of them
before any test runs; it cannot ask for that, but it can be seen from its files.
"""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

#: Hooks by which workers are counted, and one that each worker runs before any test does.
_HOOKS = (
    "pytest_sessionstart",
    "pytest_testnodedown",
    "pytest_testnodeready",
    "pytest_xdist_newgateway",
    "pytest_xdist_node_collection_finished",
)

#: How many there are to be, as a worker and the controller are told it.
_WORDS = (b"workercount", b"PYTEST_XDIST_WORKER_COUNT")

#: The folders that plugins are installed into; Debian's have a name of their own.
_PACKAGES = {"site-packages", "dist-packages"}

_OURS = ("_pytest", "pytest", "pytest_xdist_gnumake", "xdist")


def of_plugins(config: pytest.Config) -> str | None:
    """Why the conftest files that are loaded, or a plugin, count on all workers; None if not."""
    for hook in _HOOKS:
        for implementation in getattr(config.hook, hook).get_hookimpls():
            file = _file(implementation.plugin)
            if file and not _is_installed(file):
                return f"{file.name} has {hook}"
    return _of_files(filter(None, map(_file, config.pluginmanager.get_plugins())))


def of_tests(root: Path, nodeids: Iterable[str]) -> str | None:
    """The same for the files beside these tests, and in the folders above up to the root."""
    folders: dict[Path, None] = {}
    for name in dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids):
        folder = (root / name).parent
        while folder not in folders:
            folders[folder] = None
            if folder == root or root not in folder.parents:
                break
            folder = folder.parent
    return _of_files(_python_files(folders))


def _python_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        with contextlib.suppress(OSError):
            yield from sorted(folder.glob("*.py"))


def _of_files(files: Iterable[Path]) -> str | None:
    for file in files:
        try:
            text = file.read_bytes()
        except OSError:
            continue
        for word in _WORDS:
            if word in text:
                return f"{file.name} has {word.decode()}"
    return None


def _file(plugin: object) -> Path | None:
    """Where a plugin's code is; None for pytest's, xdist's and this one."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if module is None or not file or module.__name__.partition(".")[0] in _OURS:
        return None
    return Path(file)


def _is_installed(file: Path) -> bool:
    """Whether it is no part of the suite: hooks are what such a plugin is for.

    By the names of folders, as sysconfig and site know some of them only: not that of Debian's
    packages, nor those of a virtual environment that a PYTHONPATH leads to.
    """
    if file.name == "conftest.py":
        return False
    stdlib = Path(sysconfig.get_path("stdlib"))
    return stdlib in file.parents or not _PACKAGES.isdisjoint(file.parts)
