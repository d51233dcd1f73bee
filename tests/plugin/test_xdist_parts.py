"""No private part of xdist is used that is not asked for first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import xdist
from pytest_xdist_gnumake import xdist_parts

#: What xdist's documentation shows to users, beside its hooks; and pytest's.
DOCUMENTED = {"gateway", "write_line"}


def _trees(folder: Path, *names: str) -> Iterator[ast.AST]:
    for name in names:
        for path in sorted(folder.glob(name)):
            yield from ast.walk(ast.parse(path.read_text()))


def _defined_by_xdist() -> set[str]:
    """The attributes of its classes, and of their instances."""
    names = set()
    for node in _trees(Path(xdist.__file__).parent, "dsession.py", "workermanage.py", "sch*/*.py"):
        if isinstance(node, ast.ClassDef):
            names |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


def _used() -> set[str]:
    names = set()
    for node in _trees(Path(xdist_parts.__file__).parent, "xdist_parts.py", "staggered.py"):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ClassDef):  # Methods that take the place of xdist's.
            names |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


def test_every_part_that_is_used_is_asked_for() -> None:
    asked = set(xdist_parts.OTHER_PARTS).union(*xdist_parts.SCHEDULER_PARTS.values())
    used = {
        name for name in _used() & _defined_by_xdist() if not name.startswith(("__", "pytest_"))
    }
    assert used - DOCUMENTED == asked
