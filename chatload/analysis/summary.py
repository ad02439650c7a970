"""One run as sums: the content of summary.json (docs/record-format.md, docs/schema/summary.json)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from chatload.analysis.distribution import describe, describe_counted, endless
from chatload.analysis.quantiles import METHOD
from chatload.analysis.slo_verdict import verdicts
from chatload.analysis.slot_release import freeing
from chatload.analysis.validity import validity_of
from chatload.loads.chat import ChatLoad
from chatload.model.errors import NO_FAILURES
from chatload.model.metrics import View, metric, metrics_in, turn_metrics
from chatload.model.sanitize import one_line
from chatload.model.stalls import DEFAULT_RULE, reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn
from chatload.store.journal import Run

Summary = dict[str, Any]
FORMAT = 1
"""Version of summary.json."""
READER_TOKENS_PER_S = 10.0
"""The reader of `reading_underrun_ms`."""

WITH_FAILURES = ("ttft_ms", "e2e_ms")
"""Metrics that are also told with each failed turn as endless."""


def summarise(run: Run) -> dict[str, Any]:
    """The content of summary.json. Distributions are over successes; failures stand beside them."""
    good = [turn for turn in run.turns if turn.ok]
    failed = [turn for turn in run.turns if is_failed(turn)]
    window = steady_window(run)
    return {
        "format": FORMAT,
        "run_id": run.manifest.run_id or None,
        "label": one_line(run.name),
        "planned_turns": planned_turns(run),
        "turns": len(good) + len(failed),
        "succeeded": len(good),
        "failed": dict(Counter(failure_code(turn) for turn in failed).most_common()),
        "interrupted": sum(turn.code == "interrupted" and not turn.ok for turn in run.turns),
        "abandoned": sum(turn.code == "abandoned" for turn in run.turns),
        "abandonment": freeing(run),
        "users": len({turn.user for turn in run.turns}),
        "conversations": _complete_conversations(run, good),
        "tokens": sum(turn.tokens or 0 for turn in good),
        **_system(run.turns, whole_window(run.turns)),
        "groups": _groups(run.turns),
        "steady": None if window is None else _system(run.turns, window),
        **{one.key: describe(_values(good, one.value)) for one in turn_metrics()},
        **_gaps(good),
        "with_failures": {
            name: endless(_values(good, metric(name).value), len(failed)) for name in WITH_FAILURES
        },
        "stalls": _stalls(good),
        "finishes": _tally(turn.finish or "none" for turn in good),
        "token_sources": _tally(turn.token_source for turn in good),
        "first_event_sources": _tally(turn.first_event_source for turn in good),
        "stamp_sources": _tally(turn.stamp_source for turn in good),
        "connections": {
            "new": sum(turn.new_connection for turn in run.turns),
            "reused": sum(not turn.new_connection for turn in run.turns),
            "retried": sum(turn.retried for turn in run.turns),
            "refusals_waited_for": sum(turn.refusals for turn in run.turns),
        },
        "marks": _tally(mark for turn in run.turns for mark in turn.marks),
        "trust": validity_of(run),
        **verdicts(run.manifest, run.turns),
        "torn_lines": run.torn_lines,
        "percentile_method": METHOD,
    }


def is_failed(turn: Turn) -> bool:
    """True for a failed turn; one that we interrupted ourselves is neither failed nor good."""
    return not turn.ok and turn.code not in NO_FAILURES


def failure_code(turn: Turn) -> str:
    """The code a failed turn is counted under."""
    return turn.code or "unknown"


def planned_chat(run: Run) -> tuple[int, int] | None:
    """(users, turns each) of the plan; None where the load is no chat."""
    load = run.manifest.load
    return (load.users, load.turns) if isinstance(load, ChatLoad) else None


TIMER_S = 1.0
"""Locust's clock of --run-time may start so long before ours."""


def ended_by_time(run: Run) -> bool:
    """True when --run-time ended the run: then its plan was a length of time, and no number of turns."""
    manifest = run.manifest
    limit_s, began_ns, ended_ns = manifest.run_time_s, manifest.started_ns, manifest.ended_ns
    if manifest.ended != "interrupted" or not limit_s or began_ns is None or ended_ns is None:
        return False
    return (ended_ns - began_ns) / 1e9 >= limit_s - min(TIMER_S, limit_s / 2)


def planned_turns(run: Run) -> int | None:
    """Turns the plan comes to, for each kind of load; None where the manifest does not say, or time ended the run."""
    if ended_by_time(run):
        return None
    load = run.manifest.load
    return None if load is None else load.turns_planned


def _complete_conversations(run: Run, good: list[Turn]) -> int | None:
    """Users whose every planned turn succeeded; None where the load is no chat."""
    chat = planned_chat(run)
    if chat is None:
        return None
    return sum(turns >= chat[1] for turns in Counter(turn.user for turn in good).values())


def _values(turns: Iterable[Turn], of: Callable[[Turn], float | None]) -> Iterator[float]:
    return (value for value in map(of, turns) if value is not None)


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


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
    told_in = {line.user: line.at_ns for line in reversed(run.users) if line.event == "in"}
    told_out = {line.user: line.at_ns for line in run.users if line.event == "out"}
    arrived.update(told_in)
    left.update(told_out)
    chat = planned_chat(run)
    if not arrived or not left or chat is None or len(arrived) < chat[0]:
        return None
    window = Window(max(arrived.values()), min(left.values()))
    return window if window.until_ns > window.from_ns else None


def _system(turns: Sequence[Turn], window: Window | None) -> dict[str, Any]:
    """requests/s = good replies that ended in the window / its length; tokens/s = their and all other good
    replies' tokens that arrived in it / its length."""
    if window is None or window.seconds <= 0:
        return {"seconds": 0.0, "requests_per_s": None, "tokens_per_s": None}
    good = [turn for turn in turns if turn.ok]
    ended = sum(window.from_ns <= turn.end_ns <= window.until_ns for turn in good)
    tokens = sum(tokens_inside(turn, window) for turn in good)
    return {
        "seconds": window.seconds,
        "requests_per_s": ended / window.seconds,
        "tokens_per_s": tokens / window.seconds,
    }


def _groups(turns: Sequence[Turn]) -> dict[str, Any]:
    """The named parts of a run, such as the levels of a sweep, in order: each as a small run of its own."""
    parts: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.group:
            parts.setdefault(one_line(turn.group, 40), []).append(turn)
    return {name: _group(part) for name, part in parts.items()}


def _group(turns: Sequence[Turn]) -> dict[str, Any]:
    good = [turn for turn in turns if turn.ok]
    return {
        "turns": len(good) + sum(map(is_failed, turns)),
        "succeeded": len(good),
        "tokens": sum(turn.tokens or 0 for turn in good),
        **_system(turns, whole_window(turns)),
        **{one.key: describe(_values(good, one.value)) for one in metrics_in(View.GROUPS)},
    }


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


def _gaps(good: list[Turn]) -> dict[str, Any]:
    """gap_ms over all event gaps; itl_ms = gap ÷ tokens of the later event, None unless all replies told."""
    gaps_us: Counter[int] = Counter()
    itl_ns: Counter[int] | None = Counter()
    for turn in good:
        gaps_us.update(turn.gaps_us)
        if not turn.gaps_us or itl_ns is None:
            continue
        if turn.first_event_source != "counted":
            itl_ns = None
        elif turn.event_tokens is None:
            itl_ns.update(gap * 1000 for gap in turn.gaps_us)
        else:
            pairs = zip(turn.gaps_us, turn.event_tokens, strict=True)
            itl_ns.update(round(gap * 1000 / tokens) for gap, tokens in pairs if tokens)
    return {
        "gap_ms": describe_counted(gaps_us, 1e-3),
        "itl_ms": describe_counted(itl_ns, 1e-6) if itl_ns else None,
    }


def _stalls(good: list[Turn]) -> Mapping[str, Any]:
    """Stalls of the good replies under the default rule, and how long readers waited in total."""
    stalls = [stalls_ms(turn) for turn in good]
    hit = sum(bool(found) for found in stalls)
    return {
        "count": sum(map(len, stalls)),
        "replies": hit,
        "share": hit / len(good) if good else None,
        "longest_ms": max((max(found) for found in stalls if found), default=None),
        "reading_underrun_ms": describe(
            _values(good, lambda turn: reading_underrun_ms(turn, READER_TOKENS_PER_S))
        ),
        "reader_tokens_per_s": READER_TOKENS_PER_S,
        "rule": {
            "limit_s": DEFAULT_RULE.limit_s,
            "factor": DEFAULT_RULE.factor,
            "floor_s": DEFAULT_RULE.floor_s,
        },
    }
