"""What /proc says of processes, see proc(5)."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> list[int]:
    found = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [number for number in found if parent(number) == pid]


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # It ended meanwhile.


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
