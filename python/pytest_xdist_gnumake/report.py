"""What is said at the end of a run that had a jobserver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .broker import Sums

#: Tests named in a line.
_NAMES = 10


def pool_line(pool: str, job_slots: int) -> str:
    """Which pool the slots are from."""
    return f"pytest-xdist-gnumake: {job_slots} job slots of the pool in {pool}"


def lent_line(worker_id: str, holders: Sequence[str], running: Sequence[str]) -> str:
    """That a slot was lent to a worker, while others have theirs and these tests run."""
    tests = list(running[:_NAMES])
    if len(running) > _NAMES:
        tests.append(f"{len(running) - _NAMES} more")
    return (
        f"pytest-xdist-gnumake: nothing moves: {worker_id} gets a job slot beyond those that there"
        f" are; the others are held by {', '.join(holders) or 'nobody'},"
        f" in {', '.join(tests) or 'no test'}"
    )


def closing_lines(sums: Sums, job_slots: int, verbose: bool) -> Iterator[str]:
    """How much of the job slots was used; if verbose, also a line for each worker.

    ``job_slots`` is N of make's ``-jN``, 0 where make does not tell.
    """
    started = f"{len(sums.workers)} worker{'s' if len(sums.workers) > 1 else ''} started"
    of = f"of {job_slots} " if job_slots else ""
    yield (
        f"pytest-xdist-gnumake: at most {sums.session.most} and on average {sums.average:.2f}"
        f" {of}job slots in use; {started}, which waited {sums.waited:.1f} s in total"
    )
    if sums.session.lent:
        times = f"{sums.session.lent} times" if sums.session.lent > 1 else "once"
        yield (
            f"pytest-xdist-gnumake: nothing moved, so that a job slot more was lent {times},"
            f" for {sums.session.lent_for / 1e9:.1f} s in total"
        )
    if verbose:
        for worker in sums.workers:
            yield (
                f"pytest-xdist-gnumake: {worker.name} had a job slot for {worker.held / 1e9:.1f} s"
                f" and waited {worker.waited / 1e9:.1f} s for one"
            )
