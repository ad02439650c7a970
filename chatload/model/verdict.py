"""Verdicts on an SLO, a capacity search and a comparison of runs."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SloOutcome = Literal["missed", "undecided", "met", "part"]
MISSED: Final = "missed"
UNDECIDED: Final = "undecided"
MET: Final = "met"
PART: Final = "part"
"""A limit for each turn: it has no verdict of its own, and is part of goodput."""

Bound = float | None
"""An end of an interval; None if unbounded or unknown."""


class SloVerdict(msgspec.Struct, frozen=True):
    """One SLO and its verdict, which `value` decides. It is undecided only where no turn has the metric.

    `value` and `interval` are in the metric's unit, shares 0 to 1. A `value` of None is +∞, from a failed turn; an end
    of `interval` is None where it is unknown. `sure`: the limit lies outside the interval; None where there is no
    sampling error (max, min) and for a limit of a turn. `unsure` says why it is not sure, and what would make it so.
    `turns` and `conversations` count in the stretch `window`. `least_turns`: how many turns the percentile needs, if
    there are fewer: then `value` still decides, but must not be shown as a percentile. `name`: of turns of this name
    only.
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

    `turns` is of the stretch `window`, `conversations` of the whole run.
    """

    limits: tuple[str, ...]
    turns: float | None
    conversations: float | None
    window: str = ""


EffectOutcome = Literal["the same", "differ", "cannot tell", "better", "worse", "not worse"]
ComparisonOutcome = Literal["the same", "differ", "cannot tell", "better", "worse", "not worse", "mixed"]
SAME: Final = "the same"
DIFFER: Final = "differ"
"""With one run per side: they differ by more than the margin, which does not show that a server is better."""
CANNOT_TELL: Final = "cannot tell"
BETTER: Final = "better"
WORSE: Final = "worse"
NOT_WORSE: Final = "not worse"
"""A run compared with stored ones: within the limit that these give."""
MIXED: Final = "mixed"
"""Better in some metrics, worse in others."""


class Effect(msgspec.Struct, frozen=True):
    """A metric of B compared with A. `effect` and `interval` are B / A, for the failed share B − A; None if unknown.

    `limit`: in a comparison with stored runs, the effect beyond which the verdict is worse. `longer`: by about which
    factor a run would have to be longer to reach a verdict; None where there is one, or that is unknown.
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
        """True for the failed share where no turn failed on either side: no number of turns proves it to be 0."""
        return self.metric == "failed_share" and self.a == self.b == 0.0


class LevelResult(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a capacity search, all its windows together.

    `verdict` is the worst of its SLOs, by the measured values; `passed`: it is met; `sure`: that is sure.
    `at_once`: for arriving conversations, how many were open in the first and in the last quarter of the time.
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
    """The result of a capacity search so far. `users` is the answer, None until it is known.

    `interval` is the 95 % interval of the answer; `stopped` says why the search ended early. `counts`: levels are
    numbers of "users", or of conversations that arrive per minute ("arrivals").
    """

    levels: list[LevelResult] = msgspec.field(default_factory=list)
    stopped: str = ""
    server_gone: bool = False
    users: int | None = None
    surely_met: int | None = None
    surely_missed: int | None = None
    counts: str = "users"
    interval: tuple[int | None, int | None] | None = None
