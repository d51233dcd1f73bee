"""What is said at the end of a run that had a jobserver."""

from __future__ import annotations

from collections.abc import Iterator

from .broker import Sums


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
    if verbose:
        for worker in sums.workers:
            yield (
                f"pytest-xdist-gnumake: {worker.name} had a job slot for {worker.held / 1e9:.1f} s"
                f" and waited {worker.waited / 1e9:.1f} s for one"
            )
