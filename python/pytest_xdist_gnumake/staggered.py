"""Workers are started when there is a job slot for them.

xdist starts all workers at once, and the first test runs when all of them have collected. Here
the session begins with as many workers as there are slots at hand. The others are set up later, as
xdist itself sets up the replacement of a crashed worker: each when the broker has a slot for it.

How it is done: the specs of the workers to come are taken from xdist's list before it sets up its
nodes, the scheduler waits for the workers that are there at first, and xdist's session becomes a
``StaggeredSession``. Where xdist is not what is expected here, all workers are started at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import execnet
import pytest
from xdist.dsession import DSession

from . import expectations
from . import xdist_parts as parts
from .broker import BrokerProcess
from .options import slots_of_remote_workers
from .places import is_elsewhere, place

if TYPE_CHECKING:
    from xdist.remote import WorkerInfo
    from xdist.scheduler.protocol import Scheduling
    from xdist.workermanage import WorkerController

_DIST_MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal")

NOT_KNOWN = "this version of pytest-xdist is not known"


def why_not(config: pytest.Config, specs: Sequence[execnet.XSpec]) -> str | None:
    """Why workers cannot be started one after the other in this session, or None."""
    session = parts.session_of(config)
    if session is None or parts.missing_of_session(session):
        return NOT_KNOWN
    if parts.manager(session).specs is not specs:
        return NOT_KNOWN
    mode = config.getvalue("dist")
    if mode not in _DIST_MODES:
        return f"--dist {mode} runs the tests on each of them"
    if slots_of_remote_workers(config) != "share" and any(map(is_elsewhere, specs)):
        return "some of them do not work on slots of this session"
    local = [spec for spec in specs if not is_elsewhere(spec)]
    if len({(spec.python, *spec.env.items()) for spec in local}) > 1:
        return "--tx makes them different from each other"
    return expectations.of_plugins(config)


def stagger(
    config: pytest.Config,
    broker: BrokerProcess,
    specs: list[execnet.XSpec],
    say_all_at_once: Callable[[str], None],
    runs_on: Callable[[str, str], None],
) -> None:
    """Leave in ``specs`` the workers that can be started now, and have the others started later.

    Called by xdist's ``pytest_xdist_setupnodes``, whose list ``specs`` is xdist's own. Where it
    turns out later that all are to be started at once, ``say_all_at_once`` is told why. ``runs_on``
    is told of each test that has begun, and of its worker.
    """
    begun = broker.start_workers([str(spec.id) for spec in specs])
    session = config.pluginmanager.getplugin("dsession")
    session.__class__ = StaggeredSession
    session.begin_staggered(config, broker, specs, max(1, len(begun)), say_all_at_once, runs_on)


def adopt_scheduler(config: pytest.Config, scheduler: Scheduling) -> None:
    """Have a staggered session use this scheduler."""
    session = config.pluginmanager.getplugin("dsession")
    if isinstance(session, StaggeredSession):
        session.adopt(scheduler)


class StaggeredSession(DSession):
    """xdist's session, whose workers come in one after the other.

    An instance is made from a ``DSession`` by changing its class. Methods named ``worker_...`` are
    called by xdist's loop, in the main thread, for events of its queue.
    """

    _config: pytest.Config
    _say_all_at_once: Callable[[str], None]
    _runs_on: Callable[[str, str], None]
    _broker: BrokerProcess
    _broker_lost: bool
    _worker_count: int
    #: The one that xdist's ``sched`` is, too.
    _scheduler: parts.Scheduler
    #: The workers that wait for a slot to be started with, by id.
    _to_start: dict[str, execnet.XSpec]
    #: Those of them that have got it.
    _begun: deque[str]
    #: Workers that came in later. The scheduler gets them when they have collected: before, it
    #: could give them tests that others could run meanwhile.
    _late: set[WorkerController]
    #: What went wrong in their collection. It counts if they are to run tests.
    _early_reports: dict[WorkerController, list[pytest.CollectReport | pytest.TestReport]]
    #: Those that will not collect any more.
    _left_out: set[WorkerController]
    _expectations_known: bool
    #: Whether the late ones are awaited like the first ones.
    _all_awaited: bool

    def begin_staggered(
        self,
        config: pytest.Config,
        broker: BrokerProcess,
        specs: list[execnet.XSpec],
        first: int,
        say_all_at_once: Callable[[str], None],
        runs_on: Callable[[str, str], None],
    ) -> None:
        """Leave the first so many in ``specs``."""
        self._config = config
        self._say_all_at_once = say_all_at_once
        self._runs_on = runs_on
        self._broker = broker
        self._broker_lost = False
        self._worker_count = len(specs)
        self._late = set()
        self._early_reports = {}
        self._left_out = set()
        self._expectations_known = self._all_awaited = False
        self._to_start = {str(spec.id): spec for spec in specs[first:]}
        self._begun = deque()
        del specs[first:]

    def adopt(self, scheduler: Scheduling) -> None:
        """Go on with this scheduler; or, if it is not known, as xdist does."""
        parts.manager(self).specs.extend(self._to_start.values())
        if not parts.is_known(scheduler):
            self._go_on_as_xdist(f"{type(scheduler).__name__} is a scheduler of its own")
        elif parts.missing_of_scheduler(scheduler):
            self._go_on_as_xdist(NOT_KNOWN)
        else:
            self._scheduler = scheduler
            parts.prepare_for(scheduler, self._worker_count)
            self._broker.listen(self._begin_from_thread)

    def _go_on_as_xdist(self, why: str) -> None:
        self._say_all_at_once(why)
        self._start_all()
        self.__class__ = DSession  # type: ignore[assignment]

    # Events of the broker, which come to the queue from a thread.

    def _begin_from_thread(self, worker_id: str | None) -> None:
        if worker_id is None:
            self.queue.put(("broker_lost", {}))
        else:
            self.queue.put(("begin", {"worker_id": worker_id}))

    def worker_begin(self, worker_id: str) -> None:
        """There is a job slot for this worker.

        To start it takes xdist's loop a tenth of a second or more. What the others have to say
        meanwhile comes before the next start: they may be waiting for tests.
        """
        self._begun.append(worker_id)
        if len(self._begun) == 1:
            self.queue.put(("start_begun", {}))

    def worker_start_begun(self) -> None:
        """Start the first one of those for which there is a job slot."""
        self._start_if_needed(self._begun[0])
        self._begun.popleft()
        if self._begun:
            self.queue.put(("start_begun", {}))

    def _start_if_needed(self, worker_id: str) -> None:
        if self.shuttingdown or not parts.tests_are_left(self._scheduler):
            self._start_no_more()
        if worker_id not in self._to_start:
            self._broker.cancel(worker_id)
            return
        spec = self._to_start[worker_id]
        try:
            self._start(worker_id)
        except Exception as error:
            if not parts.living(self):
                raise
            self._broker.cancel(worker_id)
            parts.say(self, f"pytest-xdist-gnumake: {worker_id} cannot be started: {error!r}")
            self._start_no_more_at(spec)

    def worker_broker_lost(self) -> None:
        """No slot will come any more: go on as xdist does."""
        self._broker_lost = True
        if self._to_start and not self.shuttingdown:
            self._start_all()

    # Events of the workers.

    def worker_workerready(self, node: WorkerController, workerinfo: WorkerInfo) -> None:
        with parts.without_adding(self._scheduler, node in self._late):
            super().worker_workerready(node, workerinfo)

    def worker_logstart(
        self, node: WorkerController, nodeid: str, location: tuple[str, int | None, str]
    ) -> None:
        super().worker_logstart(node, nodeid, location)
        self._runs_on(nodeid, node.gateway.id)

    def worker_collectreport(
        self, node: WorkerController, rep: pytest.CollectReport | pytest.TestReport
    ) -> None:
        if self._is_to_come(node):
            self._early_reports.setdefault(node, []).append(rep)
        else:
            super().worker_collectreport(node, rep)

    def worker_internal_error(self, node: WorkerController, formatted_error: str) -> None:
        if self._is_to_come(node) and self._scheduler.collection_is_completed:
            self._leave_out(node, "has failed before it had collected")
        else:
            super().worker_internal_error(node, formatted_error)

    def worker_collectionfinish(self, node: WorkerController, ids: Sequence[str]) -> None:
        running = self._scheduler.collection_is_completed
        if not running:
            self._look_for_expectations(ids)
        if self._is_to_come(node):
            if self.shuttingdown:
                node.shutdown()
                return
            if running and parts.collected_other_tests(self._scheduler, ids):
                self._leave_out(node, "has collected other tests than the first one")
                node.shutdown()
                return
            parts.drop_finished_scopes(self._scheduler)
            self._scheduler.add_node(node)
            for report in self._early_reports.pop(node, []):
                super().worker_collectreport(node, report)
        if not running:
            self._await_first_workers(node)
        with parts.without_status(self, silent=running):
            super().worker_collectionfinish(node, ids)
        if self._scheduler.collection_is_completed:
            parts.end_status(self)

    def _is_to_come(self, node: WorkerController) -> bool:
        """Whether the scheduler does not have this late worker yet."""
        return node in self._late and node not in self._scheduler.nodes

    def _look_for_expectations(self, ids: Sequence[str]) -> None:
        """Before the first test: have all workers come now if the tests count on them."""
        if self._expectations_known or not self._to_start:
            return
        self._expectations_known = True
        why = expectations.of_tests(self._config.rootpath, ids)
        if why is None and len(ids) <= self._worker_count:
            # Each has a worker of its own in xdist, and may wait for what another one does.
            why = "there are no more tests than workers"
        if why:
            self._say_all_at_once(why)
            self._start_all()
            self._all_awaited = True

    def _leave_out(self, node: WorkerController, why: str) -> None:
        parts.say(self, f"pytest-xdist-gnumake: {node.gateway.id} runs no tests: it {why}")

    def worker_errordown(self, node: WorkerController, error: object | None) -> None:
        if self._others_go_on_without(node):
            self._config.hook.pytest_testnodedown(node=node, error=error)
            self.report_line(f"\nworker {node.gateway.id} died before it had collected")
            self._active_nodes.remove(node)
        else:
            super().worker_errordown(node, error)
        self._await_no_more(node)

    def _await_no_more(self, node: WorkerController) -> None:
        """Give the tests out if this was the last one whose collection the others waited for.

        Its replacement needs a slot, which may take long.
        """
        self._left_out.add(node)
        scheduler = self._scheduler
        if self.shuttingdown or scheduler.collection_is_completed:
            return
        self._await_first_workers()
        if scheduler.collection_is_completed and (
            set(scheduler.nodes) & parts.collections(scheduler).keys()
        ):
            scheduler.schedule()

    def _others_go_on_without(self, node: WorkerController) -> bool:
        """Whether a late worker that has died before it had tests is missed by nobody.

        xdist would replace it, and after some such replacements end the session, without a failed
        test, though tests are left and others run them.
        """
        return self._is_to_come(node) and any(
            not other.shutting_down for other in self._scheduler.nodes
        )

    def _await_first_workers(self, node: WorkerController | None = None) -> None:
        """Have the scheduler wait for the workers that are there from the start, while they live.

        It counts: a late one that collects before them, as ``node`` may be, would count for one of
        them, and tests would be given out to workers that have not collected.
        """
        collected = parts.collections(self._scheduler).keys() | ({node} if node else set())
        awaited = parts.living(self) - collected - self._left_out
        if not self._all_awaited:
            awaited -= self._late
        parts.await_collections(self._scheduler, max(1, len(collected) + len(awaited)))
        if not awaited:  # The status will say who is there, and what there is to do.
            parts.show_status_only_of(self, {other.gateway.id for other in collected})

    def _clone_node(self, node: WorkerController) -> WorkerController:
        """Have a crashed worker replaced, when there is a slot for the new one."""
        spec = parts.spec_of_replacement(self, node)
        worker_id = str(spec.id)
        self._to_start[worker_id] = spec
        parts.keep_alive_for(self, spec)
        if self._broker_lost:
            self._start(worker_id)
        else:
            self._broker.request_start(worker_id)
        return node

    def triggershutdown(self) -> None:
        super().triggershutdown()
        self._start_no_more()

    # Starting.

    def _start(self, worker_id: str) -> None:
        spec = self._to_start.pop(worker_id)
        self._broker.announce()
        try:
            self._late.add(parts.set_up(self, spec))
        finally:
            parts.keep_alive_no_more_for(self, spec)

    def _start_all(self) -> None:
        for worker_id in list(self._to_start):
            self._start(worker_id)
            self._broker.cancel(worker_id)

    def _start_no_more(self) -> None:
        for worker_id in list(self._to_start):
            self._do_not_start(worker_id)

    def _start_no_more_at(self, lost: execnet.XSpec) -> None:
        """Of a host that cannot be reached: each attempt takes long, and xdist's loop waits."""
        for worker_id, spec in list(self._to_start.items()):
            if is_elsewhere(spec) and place(spec) == place(lost):
                parts.say(self, f"pytest-xdist-gnumake: nor is {worker_id}, which is to run there")
                self._do_not_start(worker_id)

    def _do_not_start(self, worker_id: str) -> None:
        parts.keep_alive_no_more_for(self, self._to_start.pop(worker_id))
        self._broker.cancel(worker_id)
