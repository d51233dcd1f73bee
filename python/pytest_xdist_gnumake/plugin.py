"""The entry point of the pytest plugin: gives this process its part in the session."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

from .importing import modules_as_installed

with modules_as_installed():
    from .options import add_options
    from .protocol import ADDRESS_VARIABLE

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, T, T]:
    """Wait for a job slot before a worker imports the first conftest file.

    The worker takes the broker's address out of its environment: a pytest that one of its tests
    starts is not a worker of this session.
    """
    worker_id = os.environ.get("PYTEST_XDIST_WORKER")
    address = os.environ.pop(ADDRESS_VARIABLE, None)
    far_end = None
    if worker_id:
        with modules_as_installed():
            from .worker_channel import take_far_end

        far_end = take_far_end()
    if worker_id and (address or far_end):
        with modules_as_installed():  # Neither part needs what the other one is made of.
            from .worker import start_worker

        start_worker(early_config, worker_id, address, far_end)
    else:
        with modules_as_installed():
            from .controller import Controller

        early_config.pluginmanager.register(Controller(early_config))
    return (yield)
