"""Functions of the system as they are when the plugin is imported.

Tests and their plugins replace them, some for a whole session: mocks in ``os``, fake file systems
in every module that has one of them. Hence a class: nobody looks into classes.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any


def _no_poll() -> Any:
    """Elsewhere than on the systems where there is a broker."""
    raise OSError("there is no poll")


class original:
    environ = os.environ
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    monotonic_ns = staticmethod(time.monotonic_ns)
    poll = staticmethod(getattr(select, "poll", None) or _no_poll)
    POLLIN: int = getattr(select, "POLLIN", 1)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    write = staticmethod(os.write)
