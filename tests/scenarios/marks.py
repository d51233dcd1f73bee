"""What tests are repeated for."""

from __future__ import annotations

import pytest
from scenario import FIFO, MAKES, PIPE, SYSTEM

# How each is reached has unit tests: tests/cpp/jobserver_files_test.cc. So what is about something
# else is run with one or two of them.
any_make = pytest.mark.parametrize("make", MAKES, ids=str)
each_kind_of_make = pytest.mark.parametrize("make", [FIFO, PIPE, SYSTEM], ids=str)
fifo_and_pipe = pytest.mark.parametrize("make", [FIFO, SYSTEM], ids=str)
each_way_to_start = pytest.mark.parametrize("start", ["slots", "all"])
