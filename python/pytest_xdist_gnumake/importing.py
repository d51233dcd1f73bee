"""How this package imports its own modules."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder


@contextlib.contextmanager
def modules_as_installed() -> Iterator[None]:
    """Import modules as Python does by itself.

    pytest compiles those of plugins anew, to see into their asserts; where nothing may be written
    (PYTHONDONTWRITEBYTECODE, as in many containers) in every process, which takes longer than all
    else that this plugin does.
    """
    sys.meta_path.insert(0, PathFinder)
    try:
        yield
    finally:
        sys.meta_path.remove(PathFinder)
