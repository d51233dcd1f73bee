"""What is used of xdist beyond its hooks: every private part of it is touched here or named here.

`missing_of_session` and `missing_of_scheduler` say which of these parts this version of xdist does
not have. Where one is missing, all workers are started at once, as xdist does by itself; where this
module cannot be imported, too.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import execnet
import pytest
from xdist.dsession import DSession
from xdist.scheduler import LoadScheduling, LoadScopeScheduling, WorkStealingScheduling
from xdist.workermanage import NodeManager, WorkerController

#: A scheduler whose workers can come one after the other. loadfile and loadgroup are LoadScope.
Scheduler = LoadScheduling | LoadScopeScheduling | WorkStealingScheduling

_SESSION = (
    "_active_nodes",
    "_clone_node",
    "nodemanager",
    "queue",
    "report_line",
    "shuttingdown",
    "terminal",
    "triggershutdown",
    "worker_collectionfinish",
    "worker_collectreport",
    "worker_errordown",
    "worker_internal_error",
    "worker_logstart",
    "worker_workerready",
)
#: These where there is a terminal, the latter of the former.
_STATUS, _TERMINAL = ("trdist",), ("_isatty", "_status")
_NODE_MANAGER = ("group", "setup_node", "specs")
_WORKER = ("shutdown", "shutting_down")
_EVERY_SCHEDULER = (
    "add_node",
    "collection",
    "collection_is_completed",
    "nodes",
    "numnodes",
    "schedule",
)
#: What is used of each kind of scheduler.
SCHEDULER_PARTS: dict[type[Scheduler], tuple[str, ...]] = {
    LoadScheduling: (*_EVERY_SCHEDULER, "node2collection", "node2pending", "pending"),
    LoadScopeScheduling: (*_EVERY_SCHEDULER, "registered_collections", "workqueue"),
    WorkStealingScheduling: (
        *_EVERY_SCHEDULER,
        "check_schedule",
        "node2collection",
        "node2pending",
        "pending",
    ),
}

#: What is used of everything else.
OTHER_PARTS = (*_SESSION, *_STATUS, *_TERMINAL, *_NODE_MANAGER, *_WORKER)


def _without(thing: object, names: Sequence[str]) -> list[str]:
    return [f"{type(thing).__name__}.{name}" for name in names if not hasattr(thing, name)]


def session_of(config: pytest.Config) -> DSession | None:
    """xdist's session; None where there is none, or somebody has derived one of their own."""
    session = config.pluginmanager.getplugin("dsession")
    return session if type(session) is DSession else None


def missing_of_session(session: DSession) -> list[str]:
    """Parts that a session, its status, its manager or its workers lack. Asked at set-up."""
    missing = _without(session, _SESSION)
    if not missing and session.terminal:
        missing = _without(session, _STATUS) or _without(session.trdist, _TERMINAL)
    return (
        missing
        or _without(session.nodemanager, _NODE_MANAGER)
        or [f"WorkerController.{name}" for name in _WORKER if not hasattr(WorkerController, name)]
    )


def missing_of_scheduler(scheduler: Scheduler) -> list[str]:
    """Parts that a scheduler lacks. Asked when there is one, as it has some of them only then."""
    return _without(scheduler, SCHEDULER_PARTS[_kind(scheduler)])


def is_known(scheduler: object) -> TypeGuard[Scheduler]:
    """Whether it is one of xdist's, or derived from one that it leaves as it is.

    What may differ is how it begins, and which tests it keeps together.
    """
    if not isinstance(scheduler, Scheduler):
        return False
    kind = _kind(scheduler)
    inherited = {name for name in vars(kind) if not name.startswith("__")} - {"_split_scope"}
    kinds = type(scheduler).__mro__
    return not any(inherited & vars(derived).keys() for derived in kinds[: kinds.index(kind)])


def _kind(scheduler: Scheduler) -> type[Scheduler]:
    return next(kind for kind in SCHEDULER_PARTS if isinstance(scheduler, kind))


# Of the session.


def manager(session: DSession) -> NodeManager:
    """What sets up the workers. It is there before the session's hooks are called."""
    assert session.nodemanager is not None
    return session.nodemanager


def set_up(session: DSession, spec: execnet.XSpec) -> WorkerController:
    """Start a worker, as xdist does at its own beginning."""
    node = manager(session).setup_node(spec, session.queue.put)
    session._active_nodes.add(node)
    return node


def spec_of_replacement(session: DSession, node: WorkerController) -> execnet.XSpec:
    """What a worker is to be that takes the place of one that has crashed."""
    spec = copy.copy(node.gateway.spec)  # With what xdist has added, as chdir.
    spec.id = None
    manager(session).group.allocate_id(spec)
    return spec


def keep_alive_for(session: DSession, spec: execnet.XSpec) -> None:
    """Have the session go on though no worker is left, as one is to come."""
    session._active_nodes.add(spec)  # type: ignore[arg-type]


def keep_alive_no_more_for(session: DSession, spec: execnet.XSpec) -> None:
    """The opposite of `keep_alive_for`; nothing where it was not called."""
    session._active_nodes.discard(spec)


def end_workers(config: pytest.Config) -> None:
    """End those that are left, as execnet does when Python exits."""
    session = config.pluginmanager.getplugin("dsession")
    if session is not None and session.nodemanager is not None:
        session.nodemanager.group.terminate(timeout=1.0)


def living(session: DSession) -> set[WorkerController]:
    """The workers that are there."""
    return {node for node in session._active_nodes if not isinstance(node, execnet.XSpec)}


@contextlib.contextmanager
def without_status(session: DSession, silent: bool) -> Iterator[None]:
    """Keep the status of start-up from being written, which would be over the progress."""
    terminal = session.terminal
    if silent:
        session.terminal = None
    try:
        yield
    finally:
        session.terminal = terminal


def show_status_only_of(session: DSession, workers: set[str]) -> None:
    """Have the status count these workers, and not those that may come."""
    if session.terminal:
        for worker in session.trdist._status.keys() - workers:
            del session.trdist._status[worker]


def say(session: DSession, line: str) -> None:
    """Write a line amid the progress, also with -q."""
    if session.terminal:
        session.terminal.write_line(f"\n{line}")


def end_status(session: DSession) -> None:
    """Write no more status when workers change theirs."""
    if session.terminal:
        session.trdist._isatty = False


# Of the scheduler.


def collections(scheduler: Scheduler) -> dict[WorkerController, list[str]]:
    """What each worker has collected."""
    if isinstance(scheduler, LoadScopeScheduling):
        return scheduler.registered_collections
    return scheduler.node2collection


def collected_other_tests(scheduler: Scheduler, collection: Sequence[str]) -> bool:
    """Whether a worker has collected other tests than those that are run."""
    return collection != (scheduler.collection or [])


@contextlib.contextmanager
def without_adding(scheduler: Scheduler, so: bool) -> Iterator[None]:
    """Keep a worker that is ready from being added to the scheduler meanwhile, if it is so."""
    if so:
        scheduler.add_node = lambda node: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        if so:
            del scheduler.add_node


def await_collections(scheduler: Scheduler, number: int) -> None:
    """Have tests given out when so many workers have collected."""
    scheduler.numnodes = number


def tests_are_left(scheduler: Scheduler) -> bool:
    """Whether a worker that starts now will find something to do."""
    if not scheduler.collection_is_completed:
        return True
    if isinstance(scheduler, LoadScopeScheduling):
        return bool(scheduler.workqueue)
    if isinstance(scheduler, WorkStealingScheduling):
        # Each worker keeps two tests, see xdist's MIN_PENDING; the others can be taken over.
        longest = max((len(tests) for tests in scheduler.node2pending.values()), default=0)
        return bool(scheduler.pending) or longest > 2
    return bool(scheduler.pending)


def drop_finished_scopes(scheduler: Scheduler) -> None:
    """What a crashed worker had finished is not to be given to the worker that comes for it.

    xdist puts all scopes of a crashed worker back into its queue. One in which no test is left
    to run would be all that the new worker gets: it waits for tests, and xdist for it.
    """
    if isinstance(scheduler, LoadScopeScheduling):
        for scope, completed in list(scheduler.workqueue.items()):
            if all(completed.values()):
                del scheduler.workqueue[scope]


def prepare_for(scheduler: Scheduler, workers: int) -> None:
    """Have tests divided among all workers that may come, and nobody leave before."""
    if isinstance(scheduler, LoadScheduling):
        scheduler.node2pending = _AsIfAllWereThere(workers)
    elif isinstance(scheduler, WorkStealingScheduling):
        _keep_workers_without_tests(scheduler)


def _keep_workers_without_tests(scheduler: WorkStealingScheduling) -> None:
    """Let no worker be shut down before the tests are given out.

    Whenever a worker leaves the scheduler, it shuts down those that have nothing to do. Here one
    may leave while others collect.
    """
    check_schedule = scheduler.check_schedule

    def check_schedule_of_tests() -> None:
        if scheduler.collection is not None:
            check_schedule()

    scheduler.check_schedule = check_schedule_of_tests  # type: ignore[method-assign]


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
