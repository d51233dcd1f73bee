"""The controller's side of the broker: starts it, asks it, waits for its end."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import TYPE_CHECKING, NamedTuple

from .executable import EXECUTABLE
from .originals import original
from .packets import PacketSocket, socket_pair
from .protocol import (
    ADDRESS_VARIABLE,
    SIZE_LIMIT,
    VERSION,
    Begin,
    Bye,
    Cancel,
    Ended,
    Hello,
    Holds,
    Lent,
    Lost,
    Note,
    Pool,
    Refused,
    Running,
    Runs,
    Start,
    Sum,
    Summed,
    Sync,
    Synced,
    Title,
    ToBroker,
    ToController,
    Told,
    Trace,
    Traced,
    Unavailable,
    Untraced,
    WelcomeController,
    WorkerSums,
    decode_for_controller,
    encode,
    path_of_text,
    text_of_path,
)

if TYPE_CHECKING:
    from .fifo_jobserver import FifoJobserver

#: Seconds after which one who waits for the broker looks whether the socket is still there.
_LOOK = 1.0

#: Looks until an answer of the broker, or its end, is not awaited any longer. It needs a
#: millisecond, and when it is to end xdist has ended the workers; the limit is for a broker that is
#: stopped, and for a worker that even SIGKILL does not end.
_LOOKS = 30


class NoBroker(NamedTuple):
    """No usable jobserver, or one whose fifo is used without a broker.

    ``reason`` is empty where nothing is wrong: there is just none.
    """

    reason: str
    fifo: FifoJobserver | None = None


class Sums(NamedTuple):
    """What a session has used of its job slots."""

    session: Summed
    #: Those that have been started.
    workers: tuple[WorkerSums, ...]

    @property
    def average(self) -> float:
        """How many slots were in use on average."""
        return sum(w.held for w in self.workers) / self.session.span if self.session.span else 0.0

    @property
    def waited(self) -> float:
        """Seconds that the workers waited, added up."""
        return sum(worker.waited for worker in self.workers) / 1e9


def speaks_of_jobserver(environment: Mapping[str, str]) -> bool:
    """Whether it is worth starting a broker, which knows how to read the variables."""
    variables = ("MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS")
    return any("--jobserver-" in environment.get(name, "") for name in variables)


def names_pool(environment: Mapping[str, str]) -> bool:
    """Whether job slots are to come from a pool, see ``jobslots pool --help``."""
    return environment.get("JOBSLOTS_POOL", "off") not in ("", "off")


def cannot_be_started(error: OSError) -> str:
    """What is wrong with the program that the package has, and the cure."""
    return (
        f"{EXECUTABLE} cannot be started ({error.strerror}); cure: reinstall pytest-xdist-gnumake"
    )


class BrokerProcess:
    """A running ``jobslots broker``, owned by the controller of one pytest session."""

    def __init__(self, packets: PacketSocket, job_slots: int, address: str, pool: str = "") -> None:
        self._packets = packets
        #: N of make's ``-jN`` or of the pool, 0 where that is not known.
        self.job_slots = job_slots
        #: The path of the socket that workers connect to.
        self.address = address
        #: The folder of the pool that the slots are from; empty where they are a jobserver's.
        self.pool = pool
        #: Why there is no trace, or no more of it.
        self.untraced = ""
        #: Called, from a thread, where nothing moved and a slot was lent: to whom, and who has the
        #: others.
        self.on_lent: Callable[[str, tuple[str, ...]], None] = lambda worker_id, holders: None
        #: Called, from a thread, with what people are to know of the slots.
        self.on_note: Callable[[str], None] = lambda text: None
        #: Called, from a thread, where somebody asks which tests run.
        self.on_running: Callable[[], Iterable[Runs]] = lambda: ()
        self._listening = False
        self._sums: SimpleQueue[Sums | None] = SimpleQueue()
        self._listened: SimpleQueue[None] = SimpleQueue()
        self._closing = False

    @classmethod
    def start(
        cls, environment: Mapping[str, str] | None = None, folder: str | None = None
    ) -> BrokerProcess | NoBroker:
        """Start a broker for the jobserver in this environment, or say why there is none.

        A path in the environment is relative to ``folder``. Both are this process's own where they
        are not given.
        """
        return cls.begin(os.environ if environment is None else environment, folder)()

    @classmethod
    def begin(
        cls, environment: Mapping[str, str], folder: str | None
    ) -> Callable[[], BrokerProcess | NoBroker]:
        """The same, with time to do other things: what is returned waits for the broker."""
        there_is_one = speaks_of_jobserver(environment) or names_pool(environment)
        if not sys.platform.startswith("linux"):
            why = f"it is built on Linux only, not on {sys.platform}"
            only = "job slots are shared only over the fifo of a running make >= 4.4"
            no_fifo = f"on {sys.platform} {only}" if there_is_one else ""
            return lambda: _without_broker(environment, folder, why, no_fifo)
        if not there_is_one:
            return lambda: _if_possible(lambda: _none_here(environment))
        try:
            packets, process = _spawn_connected(environment, folder)
        except Exception as error:
            reason = _why_not(error)
            return lambda: _without_broker(environment, folder, reason, reason)
        return lambda: _if_possible(lambda: cls._when_it_answers(packets, process))

    @classmethod
    def _when_it_answers(
        cls, packets: PacketSocket, process: Popen[bytes]
    ) -> BrokerProcess | NoBroker:
        answer, pool = None, ""
        with contextlib.suppress(OSError):
            answer = decode_for_controller(_next_packet(packets, _LOOKS))
            if isinstance(answer, Pool):
                pool = path_of_text(answer.path)
                answer = decode_for_controller(_next_packet(packets, _LOOKS))
        try:
            status = process.wait(_LOOKS * _LOOK)  # The broker itself is a child of init.
        except TimeoutExpired:
            process.kill()
            packets.close()
            return NoBroker(f"{EXECUTABLE} does not answer")
        if isinstance(answer, WelcomeController) and answer.version == VERSION:
            return cls(packets, answer.job_slots, path_of_text(answer.path), pool)
        packets.close()
        if isinstance(answer, Unavailable):
            return NoBroker("" if answer.reason == "none" else answer.text)
        return NoBroker(
            f"{EXECUTABLE} ended with status {status}; cure: reinstall pytest-xdist-gnumake"
        )

    def announce(self) -> None:
        """Tell workers that are started from now on where the broker is."""
        original.environ[ADDRESS_VARIABLE] = self.address

    def set_title(self, title: str) -> None:
        """Say what the session is called, in its trace and in its pool."""
        self._send(Title(title))

    def start_trace(self, file: Path) -> None:
        """Let the broker write what the session does to ``file``."""
        trace = Trace(text_of_path(file))
        if len(encode(trace)) > SIZE_LIMIT:
            self.untraced = "its name is too long"
            return
        self._send(trace)
        for message in self._messages(_LOOKS):
            if isinstance(message, Refused):
                self.untraced = message.text
            if isinstance(message, Traced | Untraced | Refused):
                break

    def start_workers(self, worker_ids: Iterable[str]) -> list[str]:
        """Ask for a slot for each of the workers. Those that can be started now, in order."""
        for worker_id in worker_ids:
            self.request_start(worker_id)
        self._send(Sync())
        begun = []
        for message in self._messages(_LOOKS):  # The trace may end in between.
            if isinstance(message, Begin):
                begun.append(message.name)
            elif isinstance(message, Synced):
                break
        return begun

    def request_start(self, worker_id: str) -> None:
        """Ask for a slot for a worker that is to be started then."""
        self._send(Start(worker_id))

    def cancel(self, worker_id: str) -> None:
        """Give the slot back that was asked for or got for a worker that is not started."""
        self._send(Cancel(worker_id))

    def worker_ended(self, worker_id: str) -> None:
        """Give the slot back of a worker that has died before it could say hello to the broker."""
        self._send(Ended(worker_id))

    def worker_lost(self, worker_id: str) -> None:
        """End a worker that xdist has given up, if its process lives, and give its slot back."""
        self._send(Lost(worker_id))

    def listen(self, begin: Callable[[str | None], None]) -> None:
        """Call ``begin``, from a thread, with each worker for which a slot was asked and has come.

        With None where the broker has gone, and no more will come.
        """
        self._listening = True
        start_new_thread(self._listen, (begin,))

    def _listen(self, begin: Callable[[str | None], None]) -> None:
        workers: list[WorkerSums] = []
        holders: list[str] = []
        try:
            for message in self._messages():
                if isinstance(message, Begin):
                    begin(message.name)
                elif isinstance(message, Holds):
                    holders.append(message.name)
                elif isinstance(message, Lent):
                    self.on_lent(message.name, tuple(holders))
                    holders.clear()
                elif isinstance(message, Running):
                    self._tell_running()
                elif isinstance(message, Note):
                    self.on_note(message.text)
                elif isinstance(message, WorkerSums):
                    workers.append(message)
                elif isinstance(message, Summed):
                    self._sums.put(Sums(message, tuple(workers)))
                    workers.clear()
            if not self._closing:
                begin(None)
        finally:
            self._sums.put(None)
            self._listened.put(None)

    def _tell_running(self) -> None:
        for runs in self.on_running():
            self._send(runs)
        self._send(Told())

    def sums(self) -> Sums | None:
        """What the session has used so far, or None where the broker has gone."""
        self._send(Sum())
        self.listen_if_nobody_does()
        with contextlib.suppress(Empty):
            return self._sums.get(timeout=_LOOKS * _LOOK)
        return None

    def close(self) -> None:
        """Wait until the broker has returned every token, so that make never misses one."""
        self._closing = True
        original.environ.pop(ADDRESS_VARIABLE, None)
        self._send(Bye())
        self.listen_if_nobody_does()
        try:
            self._listened.get(timeout=_LOOKS * _LOOK)
        except Empty:
            return  # It ends by itself later, and returns its tokens.
        self._packets.close()
        # There still where the broker was killed.
        with contextlib.suppress(OSError):
            original.unlink(self.address)
        with contextlib.suppress(OSError):
            original.rmdir(os.path.dirname(self.address))  # noqa: PTH120

    def listen_if_nobody_does(self) -> None:
        """Answer the broker, also where no worker waits to be started."""
        if not self._listening:
            self.listen(lambda _: None)

    def _send(self, message: ToBroker) -> None:
        with contextlib.suppress(OSError):  # Where the broker has gone, workers say so.
            self._packets.send(message)

    def _messages(self, looks: int | None = None) -> Iterator[ToController]:
        """What the broker says, until it has gone or has said nothing for so many looks."""
        packet = b""
        with contextlib.suppress(OSError):
            while packet := _next_packet(self._packets, looks):
                message = decode_for_controller(packet)
                if isinstance(message, Untraced):
                    self.untraced = message.text
                if message is not None:
                    yield message
        if not self.untraced:
            self.untraced = "the job slot broker has gone"


def _next_packet(packets: PacketSocket, looks: int | None) -> bytes:
    """Wait for a packet, without a limit or for so many looks. OSError where none can come."""
    for _ in itertools.count() if looks is None else range(looks):
        if not packets.is_ours():
            raise ConnectionError("a conftest file has closed the socket")
        with contextlib.suppress(TimeoutError):
            return packets.receive()
    raise TimeoutError("the job slot broker does not answer")


def _none_here(environment: Mapping[str, str]) -> NoBroker:
    from .ancestors import where_make_has_gone  # Mostly nobody needs it.

    return NoBroker(where_make_has_gone(environment, _LOOKS * _LOOK))


def _without_broker(
    environment: Mapping[str, str], folder: str | None, why: str, no_fifo: str
) -> NoBroker:
    """What there is where no broker can be started: a fifo, or ``no_fifo`` as the reason."""
    from .fifo_jobserver import FifoJobserver  # Mostly nobody needs it.

    fifo = FifoJobserver.of(environment, folder)
    reduced = f"without the broker a worker that is killed takes its job slot along: {why}"
    return NoBroker(reduced, fifo) if fifo else NoBroker(no_fifo)


def _if_possible(
    do: Callable[[], BrokerProcess | NoBroker],
) -> BrokerProcess | NoBroker:
    try:
        return do()
    except Exception as error:
        return NoBroker(_why_not(error))


def _spawn_connected(
    environment: Mapping[str, str], folder: str | None
) -> tuple[PacketSocket, Popen[bytes]]:
    """A process that becomes a broker, and the socket for it. It answers to `Hello`."""
    packets, theirs = socket_pair(_LOOK)
    try:
        packets.send(Hello(VERSION, "controller"))
        return packets, _spawn(theirs.fileno(), environment, folder)
    except BaseException:
        packets.close()
        raise
    finally:
        theirs.close()


def _why_not(error: Exception) -> str:
    """Of a broker that is not there. Errors may be whatever a conftest file makes of modules."""
    if isinstance(error, OSError) and error.filename is not None:
        return cannot_be_started(error)
    return f"the job slot broker cannot be started: {error!r}"


def _spawn(socket: int, environment: Mapping[str, str], folder: str | None) -> Popen[bytes]:
    def start(cwd: str | None) -> Popen[bytes]:
        # A pipe-style jobserver is a pair of inherited descriptors, so nothing is closed here. A
        # session of its own keeps Ctrl-C and signals to make's process group away.
        return Popen(
            [str(EXECUTABLE), "broker", "--detach"],
            stdin=socket,
            stdout=DEVNULL,
            stderr=DEVNULL,
            close_fds=False,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )

    try:
        return start(folder)
    except OSError as error:
        if folder is None or error.filename != folder:
            raise
        return start(None)  # The folder has been removed.
