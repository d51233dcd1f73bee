"""The hooks of the xdist controller: starts the broker, tells workers where it is, reports."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import execnet
import pytest

from .broker import BrokerProcess, NoBroker
from .importing import modules_as_installed
from .options import (
    set_slot_variables,
    silence_of_hosts,
    slots_of_remote_workers,
    start_of_workers,
)
from .originals import original
from .places import is_elsewhere, may_not_reach_broker
from .report import closing_lines, lent_line, pool_line
from .running import RunningTests

if TYPE_CHECKING:
    from xdist.scheduler.protocol import Scheduling
    from xdist.workermanage import WorkerController

    from .remote import RemoteWorkers

T = TypeVar("T")

CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"
DUMMY_LINE = "pytest-xdist-gnumake using dummy job server: no job server found"


def _cpu_count_by_hand() -> int | None:
    """What -X cpu_count or PYTHON_CPU_COUNT says, for Pythons before 3.13 too.

    As in the xdist after 3.8: the option goes before the variable, also with ``default``.
    """
    text = sys._xoptions.get("cpu_count", os.environ.get("PYTHON_CPU_COUNT"))
    return int(text) if isinstance(text, str) and text.isdecimal() else None


class Controller:
    """Registered in every pytest process that is not a worker; does nothing until xdist is used."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        # As they are before the first conftest file, which may change them.
        self._environment = dict(os.environ)
        self._folder = os.fspath(config.invocation_params.dir)
        #: Waits for the broker, which has been started.
        self._broker_to_come: Callable[[], BrokerProcess | NoBroker] | None = None
        self._broker: BrokerProcess | NoBroker | None = None
        self._worker_count = 0
        self._running = RunningTests()
        #: Where there are workers on other machines, or may be.
        self._remote: RemoteWorkers | None = None
        self._trace: Path | None = None
        self._adopt_scheduler: Callable[[pytest.Config, Scheduling], None] | None = None

    def pytest_configure(self) -> None:
        # A wrong value is one also where there is no jobserver.
        start_of_workers(self._config)
        slots_of_remote_workers(self._config)
        silence_of_hosts(self._config)
        set_slot_variables(self._config, self._environment)
        if self._config.getoption("dist", "no") != "no":
            self._begin_broker()  # It starts while xdist is imported.

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_auto_num_workers(self) -> int | None:
        """Under ``make -jN``, ``-n auto`` means N, unless the user has said otherwise."""
        if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
            return None
        broker = self._start_broker()
        slots = broker.fifo if isinstance(broker, NoBroker) else broker
        return (_cpu_count_by_hand() or slots.job_slots or None) if slots else None

    @pytest.hookimpl(optionalhook=True, wrapper=True, tryfirst=True)
    def pytest_xdist_setupnodes(self, specs: list[execnet.XSpec]) -> Generator[None, T, T]:
        broker = self._start_broker()
        if isinstance(broker, NoBroker):
            self._report(CLIENT_LINE if broker.fifo else DUMMY_LINE)
            if broker.reason:
                self._report(f"pytest-xdist-gnumake: {broker.reason}")
            self._start_trace("there is no broker" if broker.fifo else "there is no job server")
            if broker.fifo:
                self._config.pluginmanager.register(broker.fifo)
                broker.fifo.announce()
        else:
            self._report(CLIENT_LINE)
            if broker.pool:
                self._report(pool_line(broker.pool, broker.job_slots))
            self._start_trace()
            broker.announce()
            self._config.add_cleanup(self._end_workers)
        result = yield  # Everybody else sees all workers that are to be, or changes them.
        self._worker_count = len(specs)
        self._look_for_remote_workers(broker, specs)
        if isinstance(broker, BrokerProcess):
            self._stagger(broker, specs)
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self) -> None:
        verbose = self._config.option.verbose
        broker = self._broker if isinstance(self._broker, BrokerProcess) else None
        sums = broker.sums() if broker else None
        if broker and sums and sums.workers and verbose >= 0:
            for line in closing_lines(sums, broker.job_slots, verbose > 0):
                self._report(line)
        if self._trace and broker and broker.untraced:
            self._report(f"pytest-xdist-gnumake: {self._trace} ends early: {broker.untraced}")
        elif self._trace and verbose >= 0:
            self._report(f"pytest-xdist-gnumake: trace in {self._trace}")
        elif not self._worker_count:
            self._start_trace("pytest-xdist is not used")

    def _start_trace(self, why_not: str = "") -> None:
        """Have a trace written where one is asked for, or say why there is none."""
        name = self._config.getoption("--jobslots-trace")
        if name is None:
            return
        file = self._config.invocation_params.dir / name.replace("%p", str(original.getpid()))
        if isinstance(self._broker, BrokerProcess) and not why_not:
            self._broker.start_trace(file)
            why_not = self._broker.untraced
        if why_not:
            self._report(f"pytest-xdist-gnumake: no trace in {file}: {why_not}")
        else:
            self._trace = file

    def _title(self) -> str:
        """What the session is called: its command line, without the name of the trace."""
        trace = self._config.getoption("--jobslots-trace")
        words = [
            word
            for word in map(os.fspath, self._config.invocation_params.args)
            if word != trace and not word.startswith("--jobslots-trace")
        ]
        return " ".join(["pytest", *words])

    def _stagger(self, broker: BrokerProcess, specs: list[execnet.XSpec]) -> None:
        """Have workers started when there is a slot for them, or say why they all start now."""
        if start_of_workers(self._config) == "all":
            self._say_all_at_once("jobslots_start is 'all'")
            return
        try:
            with modules_as_installed():
                from . import staggered
        except ImportError:
            self._say_all_at_once("this version of pytest-xdist is not known")
            return
        reason = staggered.why_not(self._config, specs)
        if reason is None:
            staggered.stagger(
                self._config, broker, specs, self._say_all_at_once, self._running.runs_on
            )
            self._adopt_scheduler = staggered.adopt_scheduler
        else:
            self._say_all_at_once(reason)

    def _look_for_remote_workers(
        self, broker: BrokerProcess | NoBroker, specs: list[execnet.XSpec]
    ) -> None:
        if not any(map(may_not_reach_broker, specs)):
            return
        with modules_as_installed():
            from .remote import RemoteWorkers

        slots, silence = slots_of_remote_workers(self._config), silence_of_hosts(self._config)
        self._remote = RemoteWorkers(slots, silence, broker, self._report)
        self._remote.prepare(specs)
        if slots == "free" and any(map(is_elsewhere, specs)):
            self._report_if_verbose("workers on other machines run without job slots")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: execnet.Gateway) -> None:
        if self._remote:
            self._remote.connected(gateway)

    def _say_all_at_once(self, reason: str) -> None:
        self._report_if_verbose(f"all workers are started at once: {reason}")

    def _report_if_verbose(self, text: str) -> None:
        if self._config.getoption("verbose", 0) > 0:  # No such option with -p no:terminal.
            self._report_note(text)

    @pytest.hookimpl(optionalhook=True, wrapper=True, tryfirst=True)
    def pytest_configure_node(self, node: WorkerController) -> Generator[None, T, T]:
        """A worker is told of all workers that may come, not only of those that are there."""
        node.workerinput["workercount"] = self._worker_count
        result = yield
        if isinstance(self._broker, BrokerProcess):
            self._broker.announce()  # Somebody may have cleared the environment.
        if self._remote:
            self._remote.attach(node)
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: WorkerController) -> None:
        if self._remote:
            self._remote.ready(node)

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, Scheduling, Scheduling]:
        scheduler = yield
        if self._adopt_scheduler:
            self._adopt_scheduler(self._config, scheduler)
        if isinstance(self._broker, BrokerProcess):
            self._broker.listen_if_nobody_does()
        return scheduler

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        if self._remote and error:
            self._remote.lost(node)
        if not isinstance(self._broker, BrokerProcess):
            return
        if error:
            self._broker.worker_lost(node.gateway.id)
        else:
            self._broker.worker_ended(node.gateway.id)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running.begin(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.end(nodeid)

    def _report_lent(self, worker_id: str, holders: tuple[str, ...]) -> None:
        self._report(lent_line(worker_id, holders, self._running.names()))

    def _report_note(self, text: str) -> None:
        self._report(f"pytest-xdist-gnumake: {text}")

    def _begin_broker(self) -> Callable[[], BrokerProcess | NoBroker]:
        if self._broker_to_come is None:
            self._broker_to_come = BrokerProcess.begin(self._environment, self._folder)
            self._config.add_cleanup(self._close_broker)
        return self._broker_to_come

    def _start_broker(self) -> BrokerProcess | NoBroker:
        if self._broker is None:
            self._broker = self._begin_broker()()
            if isinstance(self._broker, BrokerProcess):
                self._broker.set_title(self._title())
                self._broker.on_lent = self._report_lent
                self._broker.on_note = self._report_note
                self._broker.on_running = self._running.told
        return self._broker

    def _close_broker(self) -> None:
        broker = self._start_broker()
        if isinstance(broker, BrokerProcess):
            broker.close()

    def _end_workers(self) -> None:
        """Before the broker is told of the session's end: end the workers that are left.

        There are some where the session failed, or was interrupted, while xdist set them up: then
        pytest calls no ``pytest_sessionfinish``, and execnet ends them when Python exits, in this
        way. A broker that ends before would leave those that come up just then without one.
        """
        with contextlib.suppress(Exception):  # What is not known is left to execnet.
            from . import xdist_parts

            xdist_parts.end_workers(self._config)

    def _report(self, line: str) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(line)
