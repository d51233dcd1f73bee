"""What tests are repeated for."""

from __future__ import annotations

import pytest
from scenario import FIFO, MAKES, PIPE, SYSTEM

any_make = pytest.mark.parametrize("make", MAKES, ids=str)
each_kind_of_make = pytest.mark.parametrize("make", [FIFO, PIPE, SYSTEM], ids=str)
each_way_to_start = pytest.mark.parametrize("start", ["slots", "all"])
