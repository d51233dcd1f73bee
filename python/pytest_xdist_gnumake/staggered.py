"""Workers are started when there is a job slot for them.

xdist starts all workers at once, and the first test runs when all of them have collected. Here
the session begins with as many workers as there are slots at hand. The others are set up later, as
xdist itself sets up the replacement of a crashed worker: each when the broker has a slot for it.

How it is done: the specs of the workers to come are taken from xdist's list before it sets up its
nodes, the scheduler waits for the workers that are there at first, and xdist's session becomes a
``StaggeredSession``. Where xdist is not what is expected here, all workers are started at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import execnet
import pytest
from xdist.dsession import DSession
from xdist.report import report_collection_diff
from xdist.scheduler import LoadScheduling, LoadScopeScheduling, WorkStealingScheduling

from .broker import BrokerProcess

if TYPE_CHECKING:
    from xdist.remote import WorkerInfo
    from xdist.workermanage import WorkerController

#: What this module uses of xdist's session beyond xdist's hooks.
_PARTS = (
    "_active_nodes",
    "_clone_node",
    "nodemanager",
    "queue",
    "sched",
    "shuttingdown",
    "terminal",
    "triggershutdown",
    "worker_collectionfinish",
    "worker_errordown",
    "worker_workerready",
)
_SCHEDULERS = (LoadScheduling, LoadScopeScheduling, WorkStealingScheduling)
_DIST_MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal")


def why_not(config: pytest.Config, specs: Sequence[execnet.XSpec]) -> str | None:
    """Why workers cannot be started one after the other in this session, or None."""
    session = config.pluginmanager.getplugin("dsession")
    if type(session) is not DSession or not all(hasattr(session, part) for part in _PARTS):
        return "this version of pytest-xdist is not known"
    if getattr(session.nodemanager, "specs", None) is not specs:
        return "this version of pytest-xdist is not known"
    mode = config.getvalue("dist")
    if mode not in _DIST_MODES:
        return f"--dist {mode} runs the tests on each of them"
    if not all(spec.popen and not spec.via and not spec.chdir for spec in specs):
        return "not all of them run on this machine"
    if len({str(spec) for spec in specs}) > 1:
        return "--tx makes them different from each other"
    return None


def stagger(config: pytest.Config, broker: BrokerProcess, specs: list[execnet.XSpec]) -> None:
    """Leave in ``specs`` the workers that can be started now, and have the others started later.

    Called by xdist's ``pytest_xdist_setupnodes``, whose list ``specs`` is xdist's own.
    """
    session = config.pluginmanager.getplugin("dsession")
    session.__class__ = StaggeredSession
    session.begin_staggered(broker, specs)


class StaggeredSession(DSession):
    """xdist's session, whose workers come in one after the other.

    An instance is made from a ``DSession`` by changing its class. Methods named ``worker_...`` are
    called by xdist's loop, in the main thread, for events of its queue.
    """

    _broker: BrokerProcess
    _broker_lost: bool
    _worker_count: int
    #: The workers that wait for a slot to be started with, by id.
    _to_start: dict[str, execnet.XSpec]
    #: Workers that came in later. The scheduler gets them when they have collected: before, it
    #: could give them tests that others could run meanwhile.
    _late: set[WorkerController]

    def begin_staggered(self, broker: BrokerProcess, specs: list[execnet.XSpec]) -> None:
        self._broker = broker
        self._broker_lost = False
        self._worker_count = len(specs)
        self._late = set()
        begun = broker.start_workers([str(spec.id) for spec in specs])
        first_count = max(1, len(begun))
        self._to_start = {str(spec.id): spec for spec in specs[first_count:]}
        del specs[first_count:]
        broker.listen(self._begin_from_thread)

    def adopt_scheduler(self, sched: Any) -> None:
        """Have tests divided among all workers that may come; or start all, for any other one."""
        if isinstance(sched, LoadScheduling):
            sched.node2pending = _AsIfAllWereThere(self._worker_count)
        elif isinstance(sched, WorkStealingScheduling):
            _keep_workers_without_tests(sched)
        elif not isinstance(sched, _SCHEDULERS):
            self._start_all()

    # Events of the broker, which come to the queue from a thread.

    def _begin_from_thread(self, worker_id: str | None) -> None:
        if worker_id is None:
            self.queue.put(("broker_lost", {}))
        else:
            self.queue.put(("begin", {"worker_id": worker_id}))

    def worker_begin(self, worker_id: str) -> None:
        """There is a job slot for this worker."""
        if self.shuttingdown or not self._tests_are_left():
            self._start_no_more()
        if worker_id in self._to_start:
            self._start(worker_id)
        else:
            self._broker.cancel(worker_id)

    def worker_broker_lost(self) -> None:
        """No slot will come any more: go on as xdist does."""
        self._broker_lost = True
        if self._to_start and not self.shuttingdown:
            self._start_all()

    # Events of the workers.

    def worker_workerready(self, node: WorkerController, workerinfo: WorkerInfo) -> None:
        super().worker_workerready(node, workerinfo)
        if node in self._late and self.sched is not None and node in self.sched.nodes:
            self.sched.remove_node(node)

    def worker_collectionfinish(self, node: WorkerController, ids: Sequence[str]) -> None:
        assert self.sched is not None
        running = self.sched.collection_is_completed
        if node in self._late:
            if self.shuttingdown:
                node.shutdown()
                return
            if running and self._collected_other_tests(node, ids):
                node.shutdown()
                return
            self._drop_finished_scopes()
            self.sched.add_node(node)
        if not running and isinstance(self.sched, _SCHEDULERS):
            self._await_first_workers(node)
        terminal: Any = self.terminal
        if running:
            self.terminal = None  # The status of start-up would be written over the progress.
        try:
            super().worker_collectionfinish(node, ids)
        finally:
            self.terminal = terminal
        if self.terminal and self.sched.collection_is_completed:
            self.trdist._isatty = False

    def worker_errordown(self, node: WorkerController, error: object | None) -> None:
        if self._others_go_on_without(node):
            self.config.hook.pytest_testnodedown(node=node, error=error)
            self.report_line(f"\nworker {node.gateway.id} died before it had collected")
            self._active_nodes.remove(node)
            return
        super().worker_errordown(node, error)
        sched: Any = self.sched
        if self.shuttingdown or not isinstance(sched, _SCHEDULERS) or sched.collection_is_completed:
            return
        # The others wait for its collection. Its replacement needs a slot, which may take long.
        self._await_first_workers()
        if sched.collection_is_completed and set(sched.nodes) & _collections(sched).keys():
            sched.schedule()

    def _others_go_on_without(self, node: WorkerController) -> bool:
        """Whether a late worker that has died before it had tests is missed by nobody.

        xdist would replace it, and after some such replacements end the session, without a failed
        test, though tests are left and others run them.
        """
        sched: Any = self.sched
        return (
            node in self._late
            and node not in sched.nodes
            and any(not other.shutting_down for other in sched.nodes)
        )

    def _await_first_workers(self, node: WorkerController | None = None) -> None:
        """Have the scheduler wait for the workers that are there from the start, while they live.

        It counts: a late one that collects before them, as ``node`` may be, would count for one of
        them, and tests would be given out to workers that have not collected.
        """
        sched: Any = self.sched
        collected = _collections(sched).keys() | ({node} if node else set())
        awaited = {
            worker
            for worker in self._active_nodes - self._late - collected
            if not isinstance(worker, execnet.XSpec)
        }
        sched.numnodes = max(1, len(collected) + len(awaited))

    def _drop_finished_scopes(self) -> None:
        """What a crashed worker had finished is not to be given to the worker that comes for it.

        xdist puts all scopes of a crashed worker back into its queue. One in which no test is left
        to run would be all that the new worker gets: it waits for tests, and xdist for it.
        """
        if isinstance(self.sched, LoadScopeScheduling):
            for scope, completed in list(self.sched.workqueue.items()):
                if all(completed.values()):
                    del self.sched.workqueue[scope]

    def _collected_other_tests(self, node: WorkerController, ids: Sequence[str]) -> bool:
        """Report a worker that has collected other tests than the first one, as xdist does."""
        collection = getattr(self.sched, "collection", None) or []
        message = report_collection_diff(collection, ids, "the first worker", node.gateway.id)
        if message:
            report = pytest.CollectReport(node.gateway.id, "failed", message, [])
            self.config.hook.pytest_collectreport(report=report)
        return bool(message)

    def _clone_node(self, node: WorkerController) -> WorkerController:
        """Have a crashed worker replaced, when there is a slot for the new one."""
        assert self.nodemanager is not None
        spec = execnet.XSpec(str(node.gateway.spec))
        spec.id = None
        self.nodemanager.group.allocate_id(spec)
        worker_id = str(spec.id)
        self._to_start[worker_id] = spec
        # Keeps the session alive where this was the only worker.
        self._active_nodes.add(spec)  # type: ignore[arg-type]
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
        assert self.nodemanager is not None
        spec = self._to_start.pop(worker_id)
        node = self.nodemanager.setup_node(spec, self.queue.put)
        self._late.add(node)
        self._active_nodes.add(node)
        self._active_nodes.discard(spec)

    def _start_all(self) -> None:
        for worker_id in list(self._to_start):
            self._start(worker_id)
            self._broker.cancel(worker_id)

    def _start_no_more(self) -> None:
        for worker_id, spec in self._to_start.items():
            self._active_nodes.discard(spec)
            self._broker.cancel(worker_id)
        self._to_start.clear()

    def _tests_are_left(self) -> bool:
        """Whether a worker that starts now will find something to do."""
        sched: Any = self.sched
        if not sched.collection_is_completed:
            return True
        if isinstance(sched, LoadScopeScheduling):
            return bool(sched.workqueue)
        if isinstance(sched, WorkStealingScheduling):
            # Each worker keeps two tests, see xdist's MIN_PENDING; the others can be taken over.
            longest = max((len(tests) for tests in sched.node2pending.values()), default=0)
            return bool(sched.pending) or longest > 2
        return bool(sched.pending)


def _collections(sched: Any) -> dict[WorkerController, Sequence[str]]:
    """What each worker has collected."""
    name = "registered_collections" if isinstance(sched, LoadScopeScheduling) else "node2collection"
    collections: dict[WorkerController, Sequence[str]] = getattr(sched, name)
    return collections


def _keep_workers_without_tests(sched: Any) -> None:
    """Let no worker be shut down before the tests are given out.

    Whenever a worker leaves the scheduler, ``WorkStealingScheduling`` shuts down those that have
    nothing to do. Here one leaves while others collect: a late one, until it has collected.
    """
    check_schedule = sched.check_schedule

    def check_schedule_of_tests() -> None:
        if sched.collection is not None:
            check_schedule()

    sched.check_schedule = check_schedule_of_tests


class _AsIfAllWereThere(dict[Any, Any]):
    """The workers of ``LoadScheduling``, counted as if all that may come were there already.

    The scheduler divides the tests by this number. A first worker that is alone would get a quarter
    of all tests at once, and keep them from those that come later.
    """

    def __init__(self, expected: int) -> None:
        super().__init__()
        self._expected = expected

    def __len__(self) -> int:
        return max(super().__len__(), self._expected)
