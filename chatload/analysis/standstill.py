"""How long a server stood still: a time in which replies were open and none of them moved.

A closed loop hides such a time: its users wait instead of sending, so that few turns see it. What users who do not wait
for each other would have seen is bounded from below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from chatload.analysis.quantiles import percentile, too_few
from chatload.analysis.window import all_users_in, whole_run
from chatload.model.errors import NO_FAILURES
from chatload.model.metrics import ttft_ms
from chatload.model.slo import LEAST_STANDSTILL_S
from chatload.model.summary import OpenLoopView, Standstill, Summary
from chatload.model.turn import Turn
from chatload.store.journal import Run

LEAST_NS = round(LEAST_STANDSTILL_S * 1e9)
AT_A_TIME = 50_000
"""Spans that are merged together: a million turns have six million."""
OUR_ENDS = NO_FAILURES | {"timeout_first", "timeout_gap", "deadline"}
"""Codes of turns that the client ended: nothing came from the server then."""
NOTABLE_S, NOTABLE_GAPS, NOTABLE_TTFTS = 1.0, 5.0, 2.0
"""A standstill is notable that is longer than this, than so many median gaps, and than so many median TTFTs."""


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another, in ns of the run's clock."""

    from_ns: int
    until_ns: int

    @property
    def length_ns(self) -> int:
        """Its length."""
        return self.until_ns - self.from_ns


def standstill(run: Run) -> Standstill | None:
    """The longest standstill of a run, and what it hides; None without turns that were sent."""
    turns = [turn for turn in run.turns if turn.sent_ns is not None]
    if not turns:
        return None
    longest = longest_standstill(turns)
    if longest is None:
        return Standstill()
    load = run.manifest.load
    return Standstill(
        longest_s=longest.length_ns / 1e9,
        at_s=(longest.from_ns - min(turn.due_ns for turn in run.turns)) / 1e9,
        open_turns=sum(_sent(turn) < longest.until_ns <= _waited_until(turn) for turn in turns),
        open_loop=open_loop_view(turns, longest) if load is not None and load.own_users else None,
    )


def longest_standstill(turns: Iterable[Turn]) -> Span | None:
    """The longest time in which turns were open and nothing came of any; None below 0.1 s.

    A turn is open from sent to its end, a good one to its last token: nobody waits for a finish event that comes later.
    Something comes with the headers, the first byte, each event with tokens, and an end that the server made.
    """
    sent = [turn for turn in turns if turn.sent_ns is not None]
    times_open = _merged((_sent(turn), _waited_until(turn)) for turn in sent)
    moving = _merged((span for turn in sent for span in _moving(turn)), LEAST_NS - 1)
    still: list[Span] = []
    place = 0
    for part in times_open:
        # Spans less than 0.1 s apart are one, so that it may reach into this part from the one before.
        since_ns = max(part.from_ns, moving[place - 1].until_ns) if place else part.from_ns
        while place < len(moving) and moving[place].from_ns <= part.until_ns:
            still.append(Span(since_ns, moving[place].from_ns))
            since_ns = max(since_ns, moving[place].until_ns)
            place += 1
        still.append(Span(since_ns, part.until_ns))
    longest = max(still, key=lambda span: span.length_ns, default=None)
    return longest if longest is not None and longest.length_ns >= LEAST_NS else None


def _waited_until(turn: Turn) -> int:
    return turn.last_token_ns if turn.ok and turn.last_token_ns is not None else turn.end_ns


def open_loop_view(turns: Sequence[Turn], still: Span) -> OpenLoopView | None:
    """What an open loop of the same rate would have seen of a standstill; None where no turn was due outside it.

    rate = turns due outside the standstill by the time outside it, of the time with all users in (else the whole run).
    Of n = rate · length turns due evenly over the standstill none has its first token before its end: the i-th waits
    (i + ½) / n · length or longer. `ttft_p95_ms` is the 95th percentile of these waits in place of the turns that were
    due then, and the TTFT of all other good turns: a lower bound.
    """

    def meanwhile(turn: Turn) -> bool:
        return still.from_ns <= turn.due_ns < still.until_ns

    window = all_users_in(turns) or whole_run(turns)
    assert window is not None
    due = window.turns(turns)
    inside = list(filter(meanwhile, due))
    overlap_ns = min(still.until_ns, window.until_ns) - max(still.from_ns, window.from_ns)
    outside_s = (window.until_ns - window.from_ns - max(0, overlap_ns)) / 1e9
    if outside_s <= 0 or len(due) == len(inside):
        return None
    rate = (len(due) - len(inside)) / outside_s
    count = int(rate * still.length_ns / 1e9)
    waits = [(place + 0.5) / count * still.length_ns / 1e6 for place in range(count)]
    others = [
        wait for turn in turns if turn.ok and not meanwhile(turn) and (wait := ttft_ms(turn)) is not None
    ]
    return OpenLoopView(
        turns_per_s=rate,
        due=count,
        due_here=sum(map(meanwhile, turns)),
        mean_wait_s=still.length_ns / 2e9,
        ttft_p95_ms=_p95([*others, *waits]),
    )


def is_notable(summary: Summary) -> bool:
    """True where the headline speaks of it: longer than 1 s, 5 median gaps and 2 median TTFTs of this run."""
    found = summary.standstill
    if found is None:
        return False
    gap_ms, usual_ms = summary.metric("gap_ms").p50 or 0.0, summary.metric("ttft_ms").p50 or 0.0
    return found.longest_s > max(NOTABLE_S, NOTABLE_GAPS * gap_ms / 1e3, NOTABLE_TTFTS * usual_ms / 1e3)


def _p95(values: list[float]) -> float | None:
    return None if too_few(len(values), 0.95) else percentile(sorted(values), 0.95)


def _sent(turn: Turn) -> int:
    return turn.due_ns if turn.sent_ns is None else turn.sent_ns


def _moving(turn: Turn) -> Iterator[tuple[int, int]]:
    """(from, until) in which a reply moved: instants less than 0.1 s apart are one span."""
    first_ns, end_ns, longest_us = turn.first_token_ns, turn.end_ns, turn.longest_gap_us
    for at_ns in (turn.headers_ns, turn.first_byte_ns, turn.first_event_ns, first_ns):
        if at_ns is not None:
            yield at_ns, at_ns
    if first_ns is not None and longest_us is not None:
        gaps_us, since_ns = turn.gaps_us, first_ns
        if longest_us * 1000 >= LEAST_NS:
            for gap_us, at_us in zip(gaps_us, accumulate(gaps_us), strict=True):
                if gap_us * 1000 >= LEAST_NS:
                    yield since_ns, first_ns + (at_us - gap_us) * 1000
                    since_ns = first_ns + at_us * 1000
        yield since_ns, first_ns + sum(gaps_us) * 1000
    if turn.ok or turn.code not in OUR_ENDS:
        yield end_ns, end_ns


def _merged(spans: Iterable[tuple[int, int]], apart_ns: int = 0) -> list[Span]:
    """The spans in order, those that are no more than `apart_ns` apart as one. Holds few spans at a time."""
    found: list[tuple[int, int]] = []
    spans = iter(spans)
    while more := list(islice(spans, max(AT_A_TIME, len(found)))):
        found = _joined(sorted([*found, *more]), apart_ns)
    return [Span(*one) for one in found]


def _joined(ordered: Iterable[tuple[int, int]], apart_ns: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    since_ns, until_ns = None, 0
    for from_ns, to_ns in ordered:
        if since_ns is None:
            since_ns, until_ns = from_ns, to_ns
        elif from_ns <= until_ns + apart_ns:
            until_ns = max(until_ns, to_ns)
        else:
            found.append((since_ns, until_ns))
            since_ns, until_ns = from_ns, to_ns
    return found if since_ns is None else [*found, (since_ns, until_ns)]
