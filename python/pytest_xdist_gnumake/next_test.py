"""What an xdist worker knows of the test that comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

#: What is used here of xdist's ``WorkerInteractor`` and of its queue of tests.
INTERACTOR_PARTS, QUEUE_PARTS = ("torun",), ("_items",)

_WIDE = ("class", "module", "package", "session")


def test_at_hand(config: pytest.Config) -> Callable[[], bool]:
    """A function that says whether the worker can go on at once with the test after this one.

    xdist takes two tests from its queue before it runs the first of them, and waits where there is
    only one. Where the queue is not what is expected here, none is ever at hand.
    """
    for plugin in config.pluginmanager.get_plugins():
        queue: Any = plugin
        for part in INTERACTOR_PARTS:
            queue = getattr(queue, part, None)
        if queue is not None and all(hasattr(queue, part) for part in QUEUE_PARTS):
            return lambda: bool(queue._items)
    return lambda: False


def share_fixtures(item: pytest.Item, following: pytest.Item) -> bool:
    """Whether something that the first test has set up lasts for the second one.

    Fixtures of pytest and xdist themselves do not count: they are there for all tests, and nobody
    waits for what they hold.
    """
    return bool(_wide_fixtures(item) & _wide_fixtures(following))


def _wide_fixtures(item: pytest.Item) -> set[object]:
    """The fixtures of a scope wider than a function, each with the part of the suite it is for."""
    info: Any = getattr(item, "_fixtureinfo", None)
    definitions: dict[str, Any] = getattr(info, "name2fixturedefs", {})
    parts = {
        "class": item.getparent(pytest.Class),
        "module": item.getparent(pytest.Module),
        "package": item.getparent(pytest.Package),
        "session": None,
    }
    return {
        (fixture, parts[fixture.scope])
        for fixtures in definitions.values()
        for fixture in fixtures[-1:]
        if fixture.scope in _WIDE
        and not fixture.func.__module__.startswith(("_pytest.", "xdist.", "pytest_asyncio."))
    }
