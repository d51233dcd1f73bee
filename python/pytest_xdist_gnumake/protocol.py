"""The messages between the broker and its clients, as ``src/session/protocol.h`` describes them.

A message is one packet of an AF_UNIX socket of the kind SOCK_SEQPACKET: UTF-8, words separated by
one blank. ``form`` says how each is written. A field that stands last may hold blanks, and so may
a name before numbers; no field that is there is empty. An optional field that is empty is left out
together with the blank before it: ``want``, not ``want`` and a blank.

``tests/protocol_samples.json`` is read by the tests of both sides.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

#: A broker refuses to speak any other.
VERSION = 1

#: The variable that names the socket to workers, set only while a session with a broker runs.
ADDRESS_VARIABLE = "PYTEST_XDIST_GNUMAKE_BROKER"

#: Bytes of a message, in both directions. The broker refuses longer ones.
SIZE_LIMIT = 4096

Role = Literal["worker", "remote", "controller", "observer"]


if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class _Message(tuple[Any, ...]):
    """The values of its fields, which are the annotated names of a class, in order.

    ``form`` is how it is written; what stands in brackets is left out where its field is empty, or
    false. (A NamedTuple is the same, but each takes seven times as long to make, in each process.)
    """

    __slots__ = ()
    form: ClassVar[str]
    #: Their types as they are written.
    types: ClassVar[Mapping[str, str]]
    defaults: ClassVar[Mapping[str, Any]]

    def __init_subclass__(cls, form: str) -> None:
        cls.form = form
        cls.types = cls.__annotations__
        cls.defaults = {name: cls.__dict__[name] for name in cls.types if name in cls.__dict__}
        for number, name in enumerate(cls.types):
            setattr(cls, name, property(itemgetter(number)))

    def __new__(cls, *values: Any, **named: Any) -> Self:
        if len(values) < len(cls.types):
            named = {**cls.defaults, **named}
            values += tuple(named[name] for name in [*cls.types][len(values) :])
        return super().__new__(cls, values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{tuple(self)}"


# To the broker.


class Hello(_Message, form="hello {version} {role}[ {name}]"):
    """The first message of a client. ``role`` is ``worker``, which has a name, or ``controller``;
    ``remote`` is a worker that the controller speaks for; an ``observer`` is ``jobslots status``.

    One of another version is understood: to refuse it is the broker's business.
    """

    version: int
    role: Role
    name: str = ""


class Want(_Message, form="want[ {work}]"):
    """A worker wants a job slot. ``work`` is for the trace: starting, finishing, test NODEID."""

    work: str = ""


class Next(_Message, form="next {time} {outcome} {work}"):
    """A worker that is traced keeps its job slot from one test to the next."""

    #: When: nanoseconds of CLOCK_MONOTONIC.
    time: int
    outcome: str
    work: str


class Done(_Message, form="done[ {outcome}]"):
    """A worker gives its job slot back. ``outcome`` is for the trace: that of the test."""

    outcome: str = ""


class Start(_Message, form="start {name}"):
    """The controller would like to start a worker, when there is a job slot for it."""

    name: str


class Cancel(_Message, form="cancel {name}"):
    """The controller does not start the worker, whether its slot has come or not."""

    name: str


class Ended(_Message, form="ended {name}"):
    """A worker that was started has ended, perhaps before it said hello."""

    name: str


class Lost(_Message, form="lost {name}"):
    """xdist has given the worker up: its process is ended, if it lives, and its slot is free."""

    name: str


class Sync(_Message, form="sync"):
    """The controller asks to be told when every start before this one has been looked at."""


class Title(_Message, form="title {text}"):
    """What the session is called in its trace."""

    text: str


class Trace(_Message, form="trace {file}"):
    """The controller would like to have a trace in this file, an absolute path (`text_of_path`)."""

    file: str


class Sum(_Message, form="sum"):
    """The controller asks for what the session has used."""


class Runs(_Message, form="runs {name} {time} {test}"):
    """An answer to `Running`: a test runs in this worker, ``-`` where that is not known."""

    name: str
    #: Nanoseconds since it has begun.
    time: int
    test: str


class Told(_Message, form="told"):
    """The end of the answer: `Runs` has been said of each test."""


class Bye(_Message, form="bye"):
    """The session is over."""


# To a worker.


class Welcome(_Message, form="welcome {version}[ {traced}]"):
    """The answer to a worker's hello. Only where ``traced`` is it of use to say more than want."""

    version: int
    traced: bool = False


class Grant(_Message, form="grant"):
    """The worker has a job slot."""


class Yield(_Message, form="yield"):
    """The slot is to be given back when the test has ended. Of no meaning without a slot."""


class Keep(_Message, form="keep"):
    """Slots had to be lent: a worker is to keep its own while it shares fixtures with what follows,
    as others may wait for what those hold."""


class Refused(_Message, form="refused {text}"):
    """A client has broken the protocol. A worker's connection ends; the controller's goes on."""

    text: str


# To the controller.


class WelcomeController(_Message, form="welcome {version} {job_slots} {path}"):
    """The answer to the controller's hello."""

    version: int
    #: N of make's ``-jN`` or of the pool, 0 where that is not known.
    job_slots: int
    #: Where workers connect (`path_of_text`).
    path: str


class Pool(_Message, form="pool {path}"):
    """Said before the welcome: the slots are those of the pool in this folder (`path_of_text`)."""

    path: str


class Note(_Message, form="note {text}"):
    """Something about the slots that people are to know."""

    text: str


class Unavailable(_Message, form="unavailable {version} {reason} {text}"):
    """The other answer: no usable jobserver. ``reason`` is one word, ``none`` where all is well."""

    version: int
    reason: str
    text: str


class Begin(_Message, form="begin {name}"):
    """There is a job slot for this worker, which is to be started."""

    name: str


class Holds(_Message, form="holds {name}"):
    """The worker has a slot while nothing moves. Said of each before `Lent`."""

    name: str


class Lent(_Message, form="lent {name}"):
    """The worker has got a slot beyond those that there are, as the way out of a deadlock."""

    name: str


class Synced(_Message, form="synced"):
    """Every start before the `Sync` has begun for which there was a slot."""


class Traced(_Message, form="traced"):
    """The trace is written."""


class Untraced(_Message, form="untraced {text}"):
    """Why there is no trace, or no more of it."""

    text: str


class WorkerSums(_Message, form="worker {name} {held} {waited}"):
    """For how many nanoseconds a worker has had a job slot, and has waited for one."""

    name: str
    held: int
    waited: int


class Summed(_Message, form="summed {most} {span} {lent} {lent_for}"):
    """After those of all workers: the most slots in use at one moment, nanoseconds from first to
    last; how often slots were lent, and nanoseconds in which somebody worked on one."""

    most: int
    span: int
    lent: int
    lent_for: int


class Running(_Message, form="running"):
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

#: How a field looks that is not just text: a number fits into 64 bits, who says worker has a name.
_PATTERNS: Mapping[str, str] = {
    "int": "0|[1-9][0-9]{0,17}",
    "bool": "trace",
    "Role": "(?:worker|remote)(?= )|(?:controller|observer)(?! )",
}

#: Bytes of texts that only people read. What is longer is cut.
_TEXT_LIMITS: Mapping[type[_Message], int] = {Want: 1000, Next: 1000, Title: 200, Runs: 500}


R = TypeVar("R")


def _made_once(make: Callable[[type[_Message]], R]) -> Callable[[type[_Message]], R]:
    """For each kind when it is needed: no process needs all of them."""
    return lru_cache(maxsize=None)(make)


@_made_once
def _reader(kind: type[_Message]) -> re.Pattern[str]:
    """The form of a message, with a group for each field."""
    form = kind.form.replace("[", "(?:").replace("]", ")?")
    for name, type_ in kind.types.items():
        form = form.replace(f"{{{name}}}", f"({_PATTERNS.get(type_, '.+?')})")
    return re.compile(form, re.DOTALL)


M = TypeVar("M", bound=Message)


def _by_word(kinds: Any) -> Mapping[str, type[Any]]:
    return {kind.form.partition(" ")[0].partition("[")[0]: kind for kind in get_args(kinds)}


_TO_BROKER: Mapping[str, type[ToBroker]] = _by_word(ToBroker)
_TO_WORKER: Mapping[str, type[ToWorker]] = _by_word(ToWorker)
_TO_CONTROLLER: Mapping[str, type[ToController]] = _by_word(ToController)


def _decode(packet: bytes, kinds: Mapping[str, type[M]]) -> M | None:
    text = packet.decode("utf-8", "surrogateescape")
    kind = kinds.get(text.partition(" ")[0])
    if not kind or len(packet) > SIZE_LIMIT:
        return None
    values: list[Any] = []
    if text != kind.form:  # Most have no fields; to make a pattern takes a while.
        match = _reader(kind).fullmatch(text)
        if not match:
            return None
        values = [*map(_value, kind.types.values(), match.groups())]
    return kind(*values)


def _value(type_: str, text: str | None) -> Any:
    if type_ == "bool":
        return text is not None
    return int(text or 0) if type_ == "int" else text or ""


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
def _writer(kind: type[_Message]) -> tuple[str, str, int]:
    """The form of a message, fields by number: with its last field empty, and not; its limit."""
    form = kind.form
    for number, (name, type_) in enumerate(kind.types.items()):
        form = form.replace(f"{{{name}}}", _PATTERNS[type_] if type_ == "bool" else f"{{{number}}}")
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
