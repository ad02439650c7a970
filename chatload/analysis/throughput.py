"""What arrived in a stretch of a run."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from chatload.analysis.window import Window
from chatload.model.summary import Throughput
from chatload.model.turn import Turn


def whole_window(turns: Sequence[Turn]) -> Window | None:
    """From the first due to the last end; None without turns."""
    if not turns:
        return None
    return Window(min(turn.due_ns for turn in turns), max(turn.end_ns for turn in turns))


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
    first, counts, scale = _spread(turn, turn.tokens)
    gaps_us = turn.gaps_us
    yield turn.first_token_ns, first
    for offset_us, count in zip(accumulate(gaps_us), counts or (1,) * len(gaps_us), strict=True):
        yield turn.first_token_ns + offset_us * 1000, count * scale
    if turn.tail_tokens:
        yield turn.last_token_ns, float(turn.tail_tokens)


def tokens_by_step(turn: Turn, start_ns: int, width_ns: int) -> Iterator[tuple[int, float]]:
    """(number of the step, tokens that arrived in it), steps `width_ns` wide from `start_ns` on.

    As the sums of `token_arrivals`, but by bisection: a report of 100,000 turns has 20 million of these.
    """
    if turn.first_token_ns is None or turn.last_token_ns is None or not turn.tokens:
        return
    first, counts, scale = _spread(turn, turn.tokens)
    offsets_us = list(accumulate(turn.gaps_us))
    sums: Sequence[int] = list(accumulate(counts, initial=0)) if counts else range(len(offsets_us) + 1)
    step, done = (turn.first_token_ns - start_ns) // width_ns, 0
    yield step, first
    while done < len(offsets_us):
        left_ns = start_ns + (step + 1) * width_ns - turn.first_token_ns
        until = bisect_left(offsets_us, -(-left_ns // 1000), done)
        yield step, (sums[until] - sums[done]) * scale
        step, done = step + 1, until
    if turn.tail_tokens:
        yield (turn.last_token_ns - start_ns) // width_ns, float(turn.tail_tokens)


def _spread(turn: Turn, tokens: int) -> tuple[float, Sequence[int], float]:
    """(tokens of the first event, weights of the later ones, tokens a unit of weight); no weights: 1 each."""
    later = len(turn.gaps_us)
    shown = tokens - turn.tail_tokens
    first = float(min(shown, turn.first_event_tokens or 1)) if later else float(shown)
    event_tokens = turn.event_tokens
    counts = event_tokens if event_tokens and any(event_tokens) else ()
    return first, counts, (shown - first) / (sum(counts) if counts else later) if later else 0.0
