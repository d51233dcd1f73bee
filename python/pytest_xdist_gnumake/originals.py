"""Functions of the system as they are when the plugin is imported.

Tests and their plugins replace them, some for a whole session: mocks in ``os``, fake file systems
in every module that has one of them. Hence a class: nobody looks into classes.
"""

from __future__ import annotations

import os


class original:
    environ = os.environ
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    write = staticmethod(os.write)
