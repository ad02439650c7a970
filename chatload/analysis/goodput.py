"""Whether a turn kept the limits asked of it, and which turns count at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chatload.analysis.share_interval import Tally
from chatload.model.errors import NO_FAILURES
from chatload.model.metrics import metric
from chatload.model.slo import Objective
from chatload.model.stalls import reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn

Conversation = Sequence[Turn]


def conversations_of(turns: Iterable[Turn]) -> list[Conversation]:
    """The turns that were due, by conversation; what we hung up on ourselves is neither kept nor broken."""
    found: dict[tuple[str, int], list[Turn]] = {}
    for turn in turns:
        if turn.ok or turn.code not in NO_FAILURES:
            found.setdefault((turn.group, turn.user), []).append(turn)
    return list(found.values())


def value_of(objective: Objective, turn: Turn) -> float | None:
    """The metric of one good turn; None where it is undefined."""
    if objective.metric == "reading_underrun_ms":
        return reading_underrun_ms(turn, objective.reader_tokens_per_s)
    return metric(objective.metric).value(turn)


def keeps(objective: Objective, turn: Turn) -> bool:
    """True when a turn keeps the limit. A failed turn keeps none; where the metric is undefined none is broken."""
    if not turn.ok:
        return False
    value = value_of(objective, turn)
    if value is None:
        return True
    return value <= objective.limit if objective.at_most else value >= objective.limit


def tally_of(conversations: Iterable[Conversation], holds: Callable[[Turn], bool | None]) -> Tally:
    """Conversations by the turns for which it holds; None leaves a turn out."""
    answers = ([holds(turn) for turn in turns] for turns in conversations)
    return Tally.of((sum(map(bool, told)), sum(one is not None for one in told)) for told in answers)


def goodput(conversations: Iterable[Conversation], limits: Sequence[Objective]) -> Tally:
    """Goodput = turns that keep every limit ÷ all due, failures included."""
    return tally_of(conversations, lambda turn: all(keeps(limit, turn) for limit in limits))


def conversation_goodput(conversations: Iterable[Conversation], limits: Sequence[Objective]) -> Tally:
    """The same of whole conversations: every due turn of it kept every limit."""
    kept = (all(keeps(limit, turn) for turn in turns for limit in limits) for turns in conversations)
    return Tally.of((int(good), 1) for good in kept)


def failed(turn: Turn) -> bool:
    """True for a failed turn (of those that count)."""
    return not turn.ok


def stalled(turn: Turn) -> bool | None:
    """True for a reply with a stall, or one broken off in a gap; None where no reply began."""
    if turn.first_token_ns is None:
        return None
    return bool(stalls_ms(turn)) or turn.code == "timeout_gap"
