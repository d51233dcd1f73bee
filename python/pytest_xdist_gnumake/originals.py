"""Functions of the system as they are when the plugin is imported.

Tests and their plugins replace them, some for a whole session: mocks in ``os``, fake file systems
in every module that has one of them. Hence a class: nobody looks into classes.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any


def _missing(*_: Any) -> Any:
    """On a system where there is no jobserver that could be used."""
    raise OSError("this system does not have it")


class original:
    close = staticmethod(os.close)
    environ = os.environ
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    monotonic_ns = staticmethod(time.monotonic_ns)
    poll = staticmethod(getattr(select, "poll", None) or _missing)
    POLLIN: int = getattr(select, "POLLIN", 1)
    open = staticmethod(os.open)
    readv = staticmethod(getattr(os, "readv", None) or _missing)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    write = staticmethod(os.write)
