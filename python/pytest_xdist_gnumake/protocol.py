"""The messages between the broker and its clients, as ``src/session/protocol.h`` describes them.

A message is one packet of an AF_UNIX socket of the kind SOCK_SEQPACKET: UTF-8, words separated by
one blank. ``_FORMS`` says how each is written. A field that stands last may hold blanks, and so may
a name before numbers; no field that is there is empty. An optional field that is empty is left out
together with the blank before it: ``want``, not ``want`` and a blank.

``tests/protocol_samples.json`` is read by the tests of both sides.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

#: A broker refuses to speak any other.
VERSION = 1

#: The variable that names the socket to workers, set only while a session with a broker runs.
ADDRESS_VARIABLE = "PYTEST_XDIST_GNUMAKE_BROKER"

#: Bytes of a message, in both directions. The broker refuses longer ones.
SIZE_LIMIT = 4096

Role = Literal["worker", "controller", "observer"]


# To the broker.


class Hello(NamedTuple):
    """The first message of a client. ``role`` is ``worker``, which has a name, or ``controller``;
    an ``observer`` is ``jobslots status``.

    One of another version is understood: to refuse it is the broker's business.
    """

    version: int
    role: Role
    name: str = ""


class Want(NamedTuple):
    """A worker wants a job slot. ``work`` is for the trace: starting, finishing, test NODEID."""

    work: str = ""


class Next(NamedTuple):
    """A worker that is traced keeps its job slot from one test to the next."""

    outcome: str
    work: str


class Done(NamedTuple):
    """A worker gives its job slot back. ``outcome`` is for the trace: that of the test."""

    outcome: str = ""


class Start(NamedTuple):
    """The controller would like to start a worker, when there is a job slot for it."""

    name: str


class Cancel(NamedTuple):
    """The controller does not start the worker, whether its slot has come or not."""

    name: str


class Ended(NamedTuple):
    """A worker that was started has ended, perhaps before it said hello."""

    name: str


class Lost(NamedTuple):
    """xdist has given the worker up: its process is ended, if it lives, and its slot is free."""

    name: str


class Sync(NamedTuple):
    """The controller asks to be told when every start before this one has been looked at."""


class Title(NamedTuple):
    """What the session is called in its trace."""

    text: str


class Trace(NamedTuple):
    """The controller would like to have a trace in this file, an absolute path (`text_of_path`)."""

    file: str


class Sum(NamedTuple):
    """The controller asks for what the session has used."""


class Runs(NamedTuple):
    """An answer to `Running`: a test runs in this worker, ``-`` where that is not known."""

    name: str
    #: Nanoseconds since it has begun.
    time: int
    test: str


class Told(NamedTuple):
    """The end of the answer: `Runs` has been said of each test."""


class Bye(NamedTuple):
    """The session is over."""


# To a worker.


class Welcome(NamedTuple):
    """The answer to a worker's hello. Only where ``traced`` is it of use to say more than want."""

    version: int
    traced: bool = False


class Grant(NamedTuple):
    """The worker has a job slot."""


class Yield(NamedTuple):
    """The slot is to be given back when the test has ended. Of no meaning without a slot."""


class Keep(NamedTuple):
    """Slots had to be lent: a worker is to keep its own while it shares fixtures with what follows,
    as others may wait for what those hold."""


class Refused(NamedTuple):
    """A client has broken the protocol. A worker's connection ends; the controller's goes on."""

    text: str


# To the controller.


class WelcomeController(NamedTuple):
    """The answer to the controller's hello."""

    version: int
    #: N of make's ``-jN`` or of the pool, 0 where that is not known.
    job_slots: int
    #: Where workers connect (`path_of_text`).
    path: str


class Pool(NamedTuple):
    """Said before the welcome: the slots are those of the pool in this folder (`path_of_text`)."""

    path: str


class Note(NamedTuple):
    """Something about the slots that people are to know."""

    text: str


class Unavailable(NamedTuple):
    """The other answer: no usable jobserver. ``reason`` is one word, ``none`` where all is well."""

    version: int
    reason: str
    text: str


class Begin(NamedTuple):
    """There is a job slot for this worker, which is to be started."""

    name: str


class Holds(NamedTuple):
    """The worker has a slot while nothing moves. Said of each before `Lent`."""

    name: str


class Lent(NamedTuple):
    """The worker has got a slot beyond those that there are, as the way out of a deadlock."""

    name: str


class Synced(NamedTuple):
    """Every start before the `Sync` has begun for which there was a slot."""


class Traced(NamedTuple):
    """The trace is written."""


class Untraced(NamedTuple):
    """Why there is no trace, or no more of it."""

    text: str


class WorkerSums(NamedTuple):
    """For how many nanoseconds a worker has had a job slot, and has waited for one."""

    name: str
    held: int
    waited: int


class Summed(NamedTuple):
    """After those of all workers: the most slots in use at one moment, nanoseconds from first to
    last; how often slots were lent, and nanoseconds in which somebody worked on one."""

    most: int
    span: int
    lent: int
    lent_for: int


class Running(NamedTuple):
    """Somebody would like to know which tests run."""


ToBroker = (
    Hello
    | Want
    | Next
    | Done
    | Start
    | Cancel
    | Ended
    | Lost
    | Sync
    | Title
    | Trace
    | Sum
    | Runs
    | Told
    | Bye
)
ToWorker = Welcome | Grant | Yield | Keep | Refused
ToController = (
    WelcomeController
    | Pool
    | Note
    | Unavailable
    | Begin
    | Holds
    | Lent
    | Synced
    | Traced
    | Untraced
    | WorkerSums
    | Summed
    | Running
    | Refused
)
Message = ToBroker | ToWorker | ToController

#: What stands in brackets is left out where its field is empty, or false.
_FORMS: Mapping[type[Message], str] = {
    Hello: "hello {version} {role}[ {name}]",
    Want: "want[ {work}]",
    Next: "next {outcome} {work}",
    Done: "done[ {outcome}]",
    Start: "start {name}",
    Cancel: "cancel {name}",
    Ended: "ended {name}",
    Lost: "lost {name}",
    Sync: "sync",
    Title: "title {text}",
    Trace: "trace {file}",
    Sum: "sum",
    Runs: "runs {name} {time} {test}",
    Told: "told",
    Bye: "bye",
    Welcome: "welcome {version}[ {traced}]",
    Grant: "grant",
    Yield: "yield",
    Keep: "keep",
    Refused: "refused {text}",
    WelcomeController: "welcome {version} {job_slots} {path}",
    Pool: "pool {path}",
    Note: "note {text}",
    Unavailable: "unavailable {version} {reason} {text}",
    Begin: "begin {name}",
    Holds: "holds {name}",
    Lent: "lent {name}",
    Synced: "synced",
    Traced: "traced",
    Untraced: "untraced {text}",
    WorkerSums: "worker {name} {held} {waited}",
    Summed: "summed {most} {span} {lent} {lent_for}",
    Running: "running",
}

#: How a field looks that is not just text: a number fits into 64 bits, who says worker has a name.
_PATTERNS: Mapping[object, str] = {
    int: "0|[1-9][0-9]{0,17}",
    bool: "trace",
    Role: "worker(?= )|(?:controller|observer)(?! )",
}

#: Bytes of texts that only people read. What is longer is cut.
_TEXT_LIMITS: Mapping[type[Message], int] = {Want: 1000, Next: 1000, Title: 200, Runs: 500}


R = TypeVar("R")


def _made_once(make: Callable[[type[Any]], R]) -> Callable[[type[Any]], R]:
    """For each kind when it is needed: no process needs all of them."""
    return lru_cache(maxsize=None)(make)  # type: ignore[return-value]


@_made_once
def _types(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


@_made_once
def _reader(kind: type[Any]) -> re.Pattern[str]:
    """The form of a message, with a group for each field."""
    types = _types(kind)
    form = _FORMS[kind].replace("[", "(?:").replace("]", ")?")
    return re.compile(
        re.sub(r"{(\w+)}", lambda m: f"(?P<{m[1]}>{_PATTERNS.get(types[m[1]], '.+?')})", form),
        re.DOTALL,
    )


M = TypeVar("M", bound=Message)


def _by_word(kinds: Any) -> Mapping[str, type[Any]]:
    return {_FORMS[kind].partition(" ")[0].partition("[")[0]: kind for kind in get_args(kinds)}


_TO_BROKER: Mapping[str, type[ToBroker]] = _by_word(ToBroker)
_TO_WORKER: Mapping[str, type[ToWorker]] = _by_word(ToWorker)
_TO_CONTROLLER: Mapping[str, type[ToController]] = _by_word(ToController)


def _decode(packet: bytes, kinds: Mapping[str, type[M]]) -> M | None:
    text = packet.decode("utf-8", "surrogateescape")
    kind = kinds.get(text.partition(" ")[0])
    match = _reader(kind).fullmatch(text) if kind else None
    if not kind or not match or len(packet) > SIZE_LIMIT:
        return None
    fields: dict[str, Any] = {}
    for name, value in match.groupdict().items():
        type_ = _types(kind)[name]
        if type_ is bool:
            fields[name] = value is not None
        else:
            fields[name] = int(value) if type_ is int else value or ""
    return kind(**fields)


def decode_for_broker(packet: bytes) -> ToBroker | None:
    """What a client says, or None where it is no message of the protocol."""
    return _decode(packet, _TO_BROKER)


@lru_cache(maxsize=8)
def decode_for_worker(packet: bytes) -> ToWorker | None:
    """What the broker says to a worker, or None where it is no message, as at the socket's end."""
    return _decode(packet, _TO_WORKER)


def decode_for_controller(packet: bytes) -> ToController | None:
    """The same for the controller."""
    return _decode(packet, _TO_CONTROLLER)


@_made_once
def _writer(kind: type[Any]) -> tuple[str, str, int]:
    """The form of a message, fields by number: with its last field empty, and not; its limit."""
    form = _FORMS[kind]
    for number, field in enumerate(kind._fields):
        is_flag = kind._field_defaults.get(field) is False
        form = form.replace(f"{{{field}}}", _PATTERNS[bool] if is_flag else f"{{{number}}}")
    required, _, optional = form.partition("[")
    whole = required + optional.rstrip("]")
    return required, whole, _TEXT_LIMITS.get(kind, SIZE_LIMIT + 1)


@lru_cache(maxsize=8, typed=True)  # A worker says the same all the time. Tuples alone are equal.
def encode(message: Message) -> bytes:
    """The packet for a message.

    One that is too long is cut to a length that is refused: a socket may not take much more, and
    then there would be no answer.
    """
    required, whole, limit = _writer(type(message))
    packet = _utf8((whole if message and message[-1] else required).format(*message))
    return packet if len(packet) <= limit else packet[:limit].decode("utf-8", "ignore").encode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # Other surrogates: a name may be any str.
        return text.encode("utf-8", "replace")


def text_of_path(path: str | os.PathLike[str]) -> str:
    """The path as a field of a message, byte for byte whatever the locale."""
    try:
        return os.fsencode(path).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # From a file in UTF-8, in a locale that does not have it.
        return os.fspath(path)


def path_of_text(text: str) -> str:
    """The path that a field of a message names."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))
