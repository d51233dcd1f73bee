"""What comes out of a round of the chaos run."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from chaos_judge import Verdict


@dataclass
class Result:
    """What a round did and what was wrong with it."""

    seed: int
    setting: str
    seconds: float = 0.0
    actions: collections.Counter[str] = field(default_factory=collections.Counter)
    tokens_lost: int = 0
    verdict: Verdict = field(default_factory=lambda: Verdict(0))
    #: Workers that found no broker when they came up.
    without_broker: int = 0
    #: How long make went on behind the last thing that ran, and the last signal, in seconds.
    make_went_on: float = 0.0
    output: str = ""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.setting}, {self.seconds:.1f} s, {self.verdict.things} things,"
            f" {dict(sorted(self.actions.items()))}, beyond N {self.verdict.beyond}"
            f" for {self.verdict.beyond_for * 1000:.0f} ms,"
            f" without a broker {self.without_broker}, make went on for {self.make_went_on:.1f} s:"
            f" {'; '.join(self.faults) or 'well'}"
        )
