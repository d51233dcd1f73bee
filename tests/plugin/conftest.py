from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobserver import Jobserver

pytest_plugins = ["pytester"]

VARIABLES = (
    "MAKEFLAGS",
    "MFLAGS",
    "CARGO_MAKEFLAGS",
    "PYTEST_ADDOPTS",
    # Set by distributions, for these tests and not for those runs that they start.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "PYTEST_PLUGINS",
)


def pytest_configure() -> None:
    # Ignored where a shell without job control has started this in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_make_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests bring a jobserver of their own, whatever they are run from."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAKEFLAGS", "")  # On purpose: else it is missed where make is above.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)


@pytest.fixture
def jobserver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobserver]:
    """A jobserver with three job slots that the environment names; every token must come back."""
    jobserver = Jobserver(tmp_path, 3)
    monkeypatch.setenv("MAKEFLAGS", jobserver.makeflags)
    yield jobserver
    left = jobserver.drain()
    jobserver.close()
    assert left == jobserver.tokens()
