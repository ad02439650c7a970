"""Whether a turn kept the limits asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.model.metrics import PACED, metric
from chatload.model.slo import Objective
from chatload.model.stalls import reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn


def value_of(objective: Objective, turn: Turn) -> float | None:
    """The metric of one good turn; None where it is undefined."""
    if objective.metric == "reading_underrun_ms":
        return reading_underrun_ms(turn, objective.reader_tokens_per_s)
    return metric(objective.metric).value(turn)


def kept(objective: Objective, turn: Turn) -> bool | None:
    """Whether a turn kept the limit; a failed turn keeps none, None where the metric is undefined."""
    if not turn.ok:
        return False
    value = value_of(objective, turn)
    if value is None:
        return None
    return value <= objective.limit if objective.at_most else value >= objective.limit


def keeps(objective: Objective, turn: Turn) -> bool:
    """True when a turn does not break the limit."""
    return kept(objective, turn) is not False


def counted_by(objective: Objective, limits: Sequence[Objective]) -> Callable[[Turn], bool | None]:
    """What an SLO counts: whether a turn that counts is one of them; None leaves it out.

    Shares count turns that failed, stalled, or kept all `limits`; other SLOs count turns that kept their own limit;
    figures of a run count none.
    """
    if objective.metric == "failed_share":
        return lambda turn: not turn.ok
    if objective.kind == "run":
        return lambda turn: None
    if objective.metric == "stalled_share":
        return stalled
    if objective.kind == "share":
        return keeps_all(limits)
    if objective.kind == "turn":
        return lambda turn: keeps(objective, turn)
    return lambda turn: kept(objective, turn)


def keeps_all(limits: Sequence[Objective]) -> Callable[[Turn], bool | None]:
    """What goodput counts. Goodput = turns that keep every limit that speaks of them ÷ all due, failures included.

    None where a limit is of something that a proxy hides.
    """
    paced = [limit for limit in limits if limit.metric in PACED]

    def keeps_them(turn: Turn) -> bool | None:
        if paced and turn.ok and turn.held and any(limit.applies_to(turn.name) for limit in paced):
            return None
        return turn.ok and all(keeps(limit, turn) for limit in limits if limit.applies_to(turn.name))

    return keeps_them


def stalled(turn: Turn) -> bool | None:
    """True for a reply with a stall, or one broken off in a gap; None where no reply began, or a proxy held it."""
    if turn.first_token_ns is None or (turn.ok and turn.held):
        return None
    return bool(stalls_ms(turn)) or turn.code == "timeout_gap"
