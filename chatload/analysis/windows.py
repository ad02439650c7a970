"""Stretches of a run: the whole of it, and the time when all users were in; what arrived in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from chatload.analysis.completeness import planned_chat
from chatload.model.summary import Throughput
from chatload.model.turn import Turn
from chatload.store.journal import Run


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a run, in ns of the run's clock."""

    from_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        """Its length in s."""
        return (self.until_ns - self.from_ns) / 1e9


def whole_window(turns: Sequence[Turn]) -> Window | None:
    """From the first due to the last end; None without turns."""
    if not turns:
        return None
    return Window(min(turn.due_ns for turn in turns), max(turn.end_ns for turn in turns))


def steady_window(run: Run) -> Window | None:
    """From the last user's arrival to the first user's departure: all users in. None where there is none.

    Arrivals and departures are the journal's user lines; for a user without them, its first due and last end.
    """
    arrived: dict[int, int] = {}
    left: dict[int, int] = {}
    for turn in run.turns:
        arrived.setdefault(turn.user, turn.due_ns)
        left[turn.user] = max(turn.end_ns, left.get(turn.user, 0))
    arrived |= {line.user: line.at_ns for line in reversed(run.users) if line.event == "in"}
    left |= {line.user: line.at_ns for line in run.users if line.event == "out"}
    chat = planned_chat(run)
    if not arrived or not left or chat is None or len(arrived) < chat[0]:
        return None
    window = Window(max(arrived.values()), min(left.values()))
    return window if window.until_ns > window.from_ns else None


def throughput(turns: Sequence[Turn], window: Window | None) -> Throughput:
    """requests/s = good replies that ended in the window / its length; tokens/s = their and all other good
    replies' tokens that arrived in it / its length."""
    if window is None or window.seconds <= 0:
        return Throughput()
    good = [turn for turn in turns if turn.ok]
    ended = sum(window.from_ns <= turn.end_ns <= window.until_ns for turn in good)
    tokens = sum(tokens_inside(turn, window) for turn in good)
    return Throughput(window.seconds, ended / window.seconds, tokens / window.seconds)


def tokens_inside(turn: Turn, window: Window) -> float:
    """Tokens of one reply that arrived inside the window."""
    if turn.due_ns >= window.from_ns and turn.end_ns <= window.until_ns:
        return float(turn.tokens or 0)
    if turn.end_ns < window.from_ns or turn.due_ns > window.until_ns:
        return 0.0
    return sum(n for at_ns, n in token_arrivals(turn) if window.from_ns <= at_ns <= window.until_ns)


def token_arrivals(turn: Turn) -> Iterator[tuple[int, float]]:
    """(instant in ns, tokens) of each token-bearing event; tokens add up to the reply's n.

    Where the server did not count per event, what is not in the first event is spread evenly over the later;
    an end-of-sequence token that no event showed came with the last.
    """
    if turn.first_token_ns is None or turn.last_token_ns is None or not turn.tokens:
        return
    later = len(turn.gaps_us)
    shown = turn.tokens - turn.tail_tokens
    first = float(min(shown, turn.first_event_tokens or 1)) if later else float(shown)
    counts = turn.event_tokens if turn.event_tokens and any(turn.event_tokens) else (1,) * later
    scale = (shown - first) / sum(counts) if later else 0.0
    yield turn.first_token_ns, first
    for offset_us, count in zip(accumulate(turn.gaps_us), counts, strict=True):
        yield turn.first_token_ns + offset_us * 1000, count * scale
    if turn.tail_tokens:
        yield turn.last_token_ns, float(turn.tail_tokens)
