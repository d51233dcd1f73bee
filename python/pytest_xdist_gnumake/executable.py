"""Where the C++ program ``jobslots`` is: among the wheel's scripts, so that the command is it.

Scripts are not always beside the Python that runs this: ``pip install --user``, ``--prefix`` and
``--target`` have places of their own. What they have in common is a folder ``bin`` near the
package.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

_SCRIPT = Path("bin", "jobslots")


def _find(site_packages: Path) -> Path:
    """The program of the package in this folder, or where it should be if there is none."""
    # In TARGET itself (pip install --target), up to three folders above site-packages.
    near = [folder / _SCRIPT for folder in (site_packages, *site_packages.parents[:3])]
    if not sys.platform.startswith("linux"):
        return near[-1]  # There is none: the wheel is pure Python.
    for path in near:
        if path.is_file():
            return path
    # An editable install has the package elsewhere. Last, as this looks through all of sys.path.
    installed = metadata.files("pytest-xdist-gnumake") or []
    recorded = (Path(file.locate()) for file in installed if file.name == _SCRIPT.name)
    return next((path.resolve() for path in recorded if path.is_file()), near[-1])


EXECUTABLE = _find(Path(__file__).parents[1])
