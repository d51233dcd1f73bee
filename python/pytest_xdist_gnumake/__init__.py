"""pytest-xdist workers share the job slots of GNU make.

The C++ program ``jobslots`` holds the slots; this package is its thin side in pytest: ``plugin`` is
the entry point, ``controller`` and ``worker`` hold the hooks of the two kinds of xdist processes.
"""
