"""The messages, by the samples that the tests of the C++ side read too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pytest_xdist_gnumake import protocol

SAMPLES = json.loads(
    (Path(__file__).parents[1] / "protocol_samples.json").read_text(encoding="utf-8")
)

#: What observers are told, no Python reads.
MESSAGES = [sample for sample in SAMPLES["messages"] if sample["to"] != "observer"]

DECODE: dict[str, Callable[[bytes], Any]] = {
    "broker": protocol.decode_for_broker,
    "worker": protocol.decode_for_worker,
    "controller": protocol.decode_for_controller,
}


def _id(sample: dict[str, Any]) -> str:
    return f"{sample['to']}-{sample['text'][:40]}"


@pytest.mark.parametrize("sample", MESSAGES, ids=_id)
def test_message(sample: dict[str, Any]) -> None:
    message = getattr(protocol, sample["type"])(**sample["fields"])
    packet = sample["text"].encode()
    found = DECODE[sample["to"]](packet)
    assert found == message
    assert type(found) is type(message)
    assert protocol.encode(message) == packet


@pytest.mark.parametrize("sample", SAMPLES["wrong"], ids=_id)
def test_no_message(sample: dict[str, Any]) -> None:
    assert DECODE[sample["to"]](sample["text"].encode()) is None


def test_there_is_a_sample_of_each() -> None:
    kinds = {kind.__name__ for kind in get_args(protocol.Message)}
    assert {sample["type"] for sample in MESSAGES} == kinds


def test_any_text_can_be_said() -> None:
    """Cut where it is too long, in no character; marks where there is no UTF-8 for it."""
    work = protocol.decode_for_broker(protocol.encode(protocol.Want("\u00e9" * 3000)))
    assert isinstance(work, protocol.Want)
    assert set(work.work) == {"\u00e9"}
    assert 400 < len(work.work) < 600
    assert protocol.encode(protocol.Want("\ud800")) == b"want ?"
    assert protocol.encode(protocol.Start("\udcff")) == b"start \xff"
    assert protocol.decode_for_broker(b"start \xff") == protocol.Start("\udcff")


def test_a_name_that_is_too_long_is_refused() -> None:
    packet = protocol.encode(protocol.Start("x" * 100_000))
    assert len(packet) == protocol.SIZE_LIMIT + 1
    assert protocol.decode_for_broker(packet) is None


def test_a_path_is_the_same_in_any_locale() -> None:
    path = b"/tmp/\xff \xc3\xa9".decode("utf-8", "surrogateescape")
    assert protocol.path_of_text(protocol.text_of_path(path)) == path
