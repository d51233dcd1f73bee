"""The hooks of the xdist controller: starts the broker, tells workers where it is, reports."""

from __future__ import annotations

import os

import pytest

from .broker import Broker, Unavailable

#: Where workers of this session connect to. Set only while an xdist session with a broker runs.
ADDRESS_VARIABLE = "PYTEST_XDIST_GNUMAKE_BROKER"

CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"
DUMMY_LINE = "pytest-xdist-gnumake using dummy job server: no job server found"


class Controller:
    """Registered in every pytest process that is not a worker; does nothing until xdist is used."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._broker: Broker | Unavailable | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_auto_num_workers(self) -> int | None:
        """Under ``make -jN``, ``-n auto`` means N, unless xdist's own variable says otherwise."""
        if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
            return None
        broker = self._start_broker()
        return broker.job_slots or None if isinstance(broker, Broker) else None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_setupnodes(self) -> None:
        broker = self._start_broker()
        if isinstance(broker, Unavailable):
            self._report(DUMMY_LINE)
            if broker.reason:
                self._report(f"pytest-xdist-gnumake: {broker.reason}")
            return
        self._report(CLIENT_LINE)
        environment = pytest.MonkeyPatch()
        self._config.add_cleanup(environment.undo)
        environment.setenv(ADDRESS_VARIABLE, broker.address)

    def _start_broker(self) -> Broker | Unavailable:
        if self._broker is None:
            self._broker = Broker.start()
            if isinstance(self._broker, Broker):
                self._config.add_cleanup(self._broker.close)
        return self._broker

    def _report(self, line: str) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(line)
