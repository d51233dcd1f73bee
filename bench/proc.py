"""What /proc says of processes, see proc(5)."""

from __future__ import annotations

from pathlib import Path


def is_worker(pid: int) -> bool:
    """Whether it is a Python that execnet has started."""
    try:
        return b"sys.stdin.readline" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # It ended meanwhile.


def run_time(pid: int) -> int:
    """Nanoseconds on a CPU, of all threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def wake_ups(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(numbers(task / "status", "voluntary_ctxt_switches") for task in tasks)


def numbers(path: Path, prefix: str) -> int:
    """The sum of the numbers in the lines that begin so."""
    lines = path.read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(prefix))
