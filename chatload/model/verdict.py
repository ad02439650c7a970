"""Verdicts: of one SLO, of a capacity search, of one run against another."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SloOutcome = Literal["missed", "undecided", "met", "part"]
MISSED: Final = "missed"
UNDECIDED: Final = "undecided"
MET: Final = "met"
PART: Final = "part"
"""A limit of each turn: it has no verdict of its own, goodput counts it."""

Bound = float | None
"""An end of an interval; None is endless, or not known."""


class SloVerdict(msgspec.Struct, frozen=True):
    """One SLO and what became of it: `value` decides. It is undecided only where no turn has the metric.

    `value` and `interval` are in the metric's unit, shares 0 to 1; None as a value is endless: a failed turn. An end of
    `interval` that is None is not known. `sure`: the limit lies outside the interval; None for a fact of the run (max,
    min) and for a limit of a turn. `unsure` says why it is not sure, and what would make it so. `turns` and
    `conversations` are those that count, in the stretch `window`. `least_turns`: how many its percentile needs, where
    there are fewer: then `value` still decides, but is no percentile to be shown. `name`: of turns of this name only.
    """

    slo: str
    verdict: SloOutcome
    metric: str
    value: float | None
    interval: tuple[Bound, Bound] | None
    turns: int
    conversations: int
    window: str = ""
    sure: bool | None = None
    unsure: str = ""
    least_turns: int = 0
    name: str = ""


class Goodput(msgspec.Struct, frozen=True):
    """Shares of turns and of whole conversations that kept every limit, 0 to 1; None without turns.

    `turns` are those of the stretch `window`, `conversations` those of the whole run.
    """

    limits: tuple[str, ...]
    turns: float | None
    conversations: float | None
    window: str = ""


EffectOutcome = Literal["the same", "differ", "cannot tell", "better", "worse", "not worse"]
ComparisonOutcome = Literal["the same", "differ", "cannot tell", "better", "worse", "not worse", "mixed"]
SAME: Final = "the same"
DIFFER: Final = "differ"
"""Of one run a side: by more than the margin. It names no better server."""
CANNOT_TELL: Final = "cannot tell"
BETTER: Final = "better"
WORSE: Final = "worse"
NOT_WORSE: Final = "not worse"
"""Of a run against stored ones: within what these allow."""
MIXED: Final = "mixed"
"""Better in some metrics, worse in others."""


class Effect(msgspec.Struct, frozen=True):
    """What B did to a metric. `effect` and `interval` are B / A, for the failed share B − A; None: not known.

    `limit`: against stored runs, the effect beyond which it is worse. `longer`: about how many times as long a run
    would have to be to tell; None where it is told, or nobody knows.
    """

    metric: str
    words: str
    unit: str
    a: float | None
    b: float | None
    effect: float | None
    interval: tuple[float, float] | None
    verdict: EffectOutcome
    remark: str = ""
    limit: float | None = None
    longer: float | None = None

    @property
    def none_failed(self) -> bool:
        """True for the share of failed turns where none failed at all: no number of turns makes that a proof."""
        return self.metric == "failed_share" and self.a == self.b == 0.0


class LevelResult(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a capacity search, all its windows together.

    `verdict` is the worst of its SLOs, by the measured values, `passed` whether it is met; `sure`: it is that surely.
    `at_once`: of conversations that arrive, how many were held in the first and in the last quarter of the time.
    """

    users: int
    verdict: SloOutcome
    passed: bool
    turns: int
    sure: bool = False
    windows: int = 1
    slo: list[SloVerdict]
    groups: list[str] = msgspec.field(default_factory=list)
    at_once: tuple[float, float] | None = None


class CapacityResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a capacity search has found so far. `users` is the answer, None until it is known.

    `interval` is the 95 % interval of the answer; `stopped` says why the search ended early. `counts`: levels are
    numbers of users, or of conversations that arrive each minute ("arrivals").
    """

    levels: list[LevelResult] = msgspec.field(default_factory=list)
    stopped: str = ""
    server_gone: bool = False
    users: int | None = None
    surely_met: int | None = None
    surely_missed: int | None = None
    counts: str = "users"
    interval: tuple[int | None, int | None] | None = None
