"""Where the time until the first token went: parts that add up to the mean TTFT of the same turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from chatload.analysis.capacity_levels import levels_of
from chatload.analysis.series import start_ns
from chatload.analysis.server_readings import grown, readings_of
from chatload.analysis.window import Window
from chatload.loads.sweep import SweepLoad, group_of
from chatload.model.first_token import FirstTokenPart, FirstTokenTime, Source
from chatload.model.journal_lines import ServerLine
from chatload.model.metrics import headers_ms, ttft_ms
from chatload.model.summary import ALL_USERS_IN, WHOLE_RUN
from chatload.model.turn import Turn
from chatload.store.journal import Run

QUEUE, VALIDATION, PREFILL = "queue", "validation", "prefill"
IN_SERVER, OUTSIDE, REST = "the rest in the server", "outside the server", "the rest"
HEADERS, AFTER_HEADERS = "until the headers", "headers to first token"
NAMES = (HEADERS, AFTER_HEADERS, QUEUE, VALIDATION, PREFILL, IN_SERVER, REST, OUTSIDE)
"""The parts, in the order in which they are shown."""
OTHERS_COUNTED = 0.1
"""The server's means are doubted where it counted so many more, or fewer, requests than we held turns."""
LEAST_COUNTED = 3.0
STRETCHES = 12
"""Most stretches of time that a run is cut into for the picture."""

Segment = Sequence[ServerLine]
"""Readings of a stretch of time, the first and last of which bound it."""


@dataclass(frozen=True, slots=True)
class Load:
    """Where the time went at some load: `at` is the number of users or requests, or s since the first due."""

    at: float
    time: FirstTokenTime


def first_token_time(run: Run, window: Window | None, name: str) -> FirstTokenTime | None:
    """The parts over the readings within `window`, over all of the run's where there are fewer than two in it.

    `window` is that of the figures, and `name` what it is called.
    """
    counted, stretch = _readings(run), ALL_USERS_IN
    if name != ALL_USERS_IN:
        window = None
    inside = (
        [] if window is None else [one for one in counted if window.from_ns <= one.at_ns <= window.until_ns]
    )
    if len(inside) < 2:
        inside, stretch = list(counted), WHOLE_RUN
    if len(inside) >= 2:
        found = _parts(run.turns, [inside], stretch)
        if found is not None:
            return found
    held = run.turns if window is None else window.turns(run.turns)
    return _of([turn for turn in held if _tells(turn)], [], WHOLE_RUN if window is None else ALL_USERS_IN)


def first_token_within(run: Run, windows: Sequence[Window]) -> FirstTokenTime | None:
    """The parts over the readings within several windows; None where there are fewer than two in each."""
    lines = _readings(run)
    segments = [_between(lines, one.from_ns, one.until_ns) for one in windows]
    whole = [one for one in segments if len(one) >= 2]
    return _parts(run.turns, whole, "") if whole else None


def over_load(run: Run) -> tuple[str, list[Load]]:
    """(what the load is, the parts at each): levels of a search or a sweep, else stretches of time."""
    lines = _readings(run)
    groups = _levels(run)
    found: list[tuple[float, list[Segment]]]
    if groups:
        found = [(at, [_between(lines, *bounds) for bounds in _bounds(run, names)]) for at, names in groups]
        words = (
            "requests in flight" if isinstance(run.manifest.load, SweepLoad) else "chat users in conversation"
        )
        turns_of = {at: [turn for turn in run.turns if turn.group in names] for at, names in groups}
    else:
        words, turns_of = "time since the first turn was due (s)", {}
        found = _stretches(run, lines)
    loads = []
    for at, segments in found:
        whole = [one for one in segments if len(one) >= 2]
        told = _parts(run.turns, whole, "") if whole else None
        if told is None:
            told = _of([turn for turn in turns_of.get(at, ()) if _tells(turn)], [], "")
        if told is not None:
            loads.append(Load(at, told))
    return words, loads


def _readings(run: Run) -> Segment:
    """The readings between which counters tell of the run; none where they are of several servers."""
    return () if len({line.host for line in run.server}) > 1 else readings_of(run).counted


def _levels(run: Run) -> list[tuple[float, set[str]]]:
    """(users or requests in flight, names of its groups) of each level, the least first."""
    load, found = run.manifest.load, run.manifest.capacity
    if found is not None:
        return [(float(one.users), set(one.groups)) for one in levels_of(found)]
    if isinstance(load, SweepLoad):
        return [(float(level), {group_of(level)}) for level in sorted(set(load.levels))]
    return []


def _bounds(run: Run, groups: set[str]) -> list[tuple[int, int]]:
    """From the first due to the last end of each group."""
    held: dict[str, list[Turn]] = {}
    for turn in run.turns:
        if turn.group in groups:
            held.setdefault(turn.group, []).append(turn)
    return [(min(turn.due_ns for turn in one), max(turn.end_ns for turn in one)) for one in held.values()]


def _between(lines: Segment, from_ns: int, until_ns: int) -> Segment:
    return [line for line in lines if from_ns <= line.at_ns <= until_ns]


def _stretches(run: Run, lines: Segment) -> list[tuple[float, list[Segment]]]:
    """(its middle in s since the first due, its readings) of stretches of equally many readings; each begins with the
    last reading of the one before."""
    begin = start_ns(run)
    each = max(1, -(-(len(lines) - 1) // STRETCHES))
    parts = [lines[at : at + each + 1] for at in range(0, len(lines) - 1, each)]
    return [((part[0].at_ns + part[-1].at_ns) / 2e9 - begin / 1e9, [part]) for part in parts]


def _tells(turn: Turn) -> bool:
    return turn.ok and ttft_ms(turn) is not None


def _parts(turns: Iterable[Turn], segments: Sequence[Segment], stretch: str) -> FirstTokenTime | None:
    """The parts of the good turns that ended between the first and the last reading of a segment."""
    bounds = [(one[0].at_ns, one[-1].at_ns) for one in segments]
    ended = [turn for turn in turns if _tells(turn) and _within(turn.end_ns, bounds)]
    if not ended:
        return None
    begun = [
        turn for turn in turns if turn.first_token_ns is not None and _within(turn.first_token_ns, bounds)
    ]
    return _of(ended, segments, stretch, begun)


def _within(at_ns: int, bounds: Iterable[tuple[int, int]]) -> bool:
    return any(from_ns < at_ns <= until_ns for from_ns, until_ns in bounds)


def _of(
    ended: Sequence[Turn], segments: Sequence[Segment], stretch: str, begun: Sequence[Turn] = ()
) -> FirstTokenTime | None:
    """What is known of the turns that `ended`; `begun` are those whose first token came between the readings.

    vLLM and TGI count queue and prefill of a request when it ends, and its TTFT with its first token. So the time
    outside the server is that of `begun`, and all else of `ended`.
    """
    if not ended:
        return None
    total = fmean(ttft_ms(turn) or 0.0 for turn in ended)
    parts = [
        found
        for name, own, seconds, count in (
            (QUEUE, _queue_ms, "queue_s", "queued"),
            (VALIDATION, None, "validation_s", "validated"),
            (PREFILL, _prefill_ms, "prefill_s", "prefills"),
        )
        if (found := _told(name, ended, own, segments, seconds, count)) is not None
    ]
    outside = _outside_ms(begun, segments)
    known = sum(one.ms for one in parts)
    if outside is not None:
        parts.append(FirstTokenPart(IN_SERVER, total - outside - known, "difference"))
        parts.append(FirstTokenPart(OUTSIDE, outside, "difference"))
    elif parts:
        parts.append(FirstTokenPart(REST, total - known, "difference"))
    else:
        parts = _by_client(ended, total)
    connect = fmean((turn.connect_ms or 0.0) + (turn.tls_ms or 0.0) for turn in ended)
    before = fmean(((turn.sent_ns or turn.due_ns) - turn.due_ns) / 1e6 for turn in ended)
    headers = [ms for turn in ended if (ms := headers_ms(turn)) is not None]
    return FirstTokenTime(
        turns=len(ended),
        ttft_ms=round(total, 3),
        connect_ms=round(connect, 3),
        send_ms=round(before - connect, 3),
        headers_ms=round(fmean(headers), 3) if len(headers) == len(ended) else None,
        parts=tuple(FirstTokenPart(one.name, round(one.ms, 3), one.by, one.counted) for one in parts),
        unknown=_unknown({one.name for one in parts}),
        doubt=_doubt(parts, len(ended)),
        stretch=stretch,
    )


def _queue_ms(turn: Turn) -> float | None:
    return turn.server_queue_ms


def _prefill_ms(turn: Turn) -> float | None:
    return turn.server_prefill_ms


def _told(
    name: str,
    ended: Sequence[Turn],
    own: Callable[[Turn], float | None] | None,
    segments: Sequence[Segment],
    seconds: str,
    count: str,
) -> FirstTokenPart | None:
    """The mean that the server tells: of each of these turns where it does, else as its page counted it."""
    each = [own(turn) for turn in ended] if own is not None else []
    told = [ms for ms in each if ms is not None]
    if told and len(told) == len(ended):
        by: Source = "server, each request"
        return FirstTokenPart(name, fmean(told), by)
    spent, n = _grown(segments, seconds), _grown(segments, count)
    if spent is None or not n:
        return None
    return FirstTokenPart(name, 1000 * spent / n, "server, /metrics", n)


def _outside_ms(begun: Sequence[Turn], segments: Sequence[Segment]) -> float | None:
    """Client's mean TTFT − the server's own, of the first tokens between the readings."""
    spent, n = _grown(segments, "ttft_s"), _grown(segments, "first_tokens")
    ours = [ms for turn in begun if (ms := ttft_ms(turn)) is not None]
    return fmean(ours) - 1000 * spent / n if spent is not None and n and ours else None


def _grown(segments: Sequence[Segment], key: str) -> float | None:
    found = [grown(one, key) for one in segments]
    return sum(one or 0.0 for one in found) if found and None not in found else None


def _by_client(ended: Sequence[Turn], total: float) -> list[FirstTokenPart]:
    """The client's own instants, where the server tells nothing."""
    headers = [ms for turn in ended if (ms := headers_ms(turn)) is not None]
    if len(headers) < len(ended):
        return [FirstTokenPart(REST, total, "client")]
    until = fmean(headers)
    return [
        FirstTokenPart(HEADERS, until, "client"),
        FirstTokenPart(AFTER_HEADERS, total - until, "client"),
    ]


def _unknown(names: set[str]) -> tuple[str, ...]:
    """What the server does not tell, in words."""
    if not names & {QUEUE, PREFILL, IN_SERVER}:
        return ("the server tells none of it: queue, prefill and network are within these",)
    rest = IN_SERVER if IN_SERVER in names else REST
    found = [
        f"the server tells no {name} time: it is within “{rest}”"
        for name in (QUEUE, PREFILL)
        if name not in names
    ]
    if IN_SERVER not in names:
        found.append(f"the server tells no TTFT of its own: network and front end are within “{rest}”")
    return tuple(found)


def _doubt(parts: Sequence[FirstTokenPart], turns: int) -> str:
    """Why the server's parts cannot be those of our turns: it counted others, or more time than passed."""
    far = max((abs(one.counted - turns) for one in parts if one.counted is not None), default=0.0)
    if far > max(LEAST_COUNTED, OTHERS_COUNTED * turns):
        counted = next(
            one.counted for one in parts if one.counted is not None and abs(one.counted - turns) == far
        )
        return (
            f"its page counted {counted:,.0f} requests where we held {turns:,} turns: "
            "the parts are not of the same ones"
        )
    least = min((one.ms for one in parts), default=0.0)
    if least < -1.0:
        return f"the server’s parts are {-least:,.1f} ms more than the whole: they are not of the same turns"
    return ""
