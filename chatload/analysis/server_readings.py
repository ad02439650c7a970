"""Which readings of the server's /metrics page tell something of the run, and where there are holes between them.

A page may be old: lmdeploy writes its own anew each 10 s. A reading that repeats all numbers of the one before,
although our own requests must have changed some, tells nothing of its instant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from chatload.analysis.series import start_ns
from chatload.model.journal_lines import EMPTY, ServerLine
from chatload.store.journal import Run

SLACK_NS = 100_000_000
"""A request may be on its way in, or a finished one not yet counted, for so long: a trip and an engine step."""
HOLE = 2.5
"""A stretch without a reading is a hole where it is longer than so many usual ones."""
USUAL_NS = 3_500_000_000
"""The longest usual time between two readings: 2 s, and 1.5 s to wait for the page."""
_NO_NUMBERS = {"at_ns", "worker", "host", "took_ms", "missing", "process_cpu_s"}
_NUMBERS = [name for name in ServerLine.__struct_fields__ if name not in _NO_NUMBERS]
_COUNTERS = ("generated_tokens", "finished", "first_tokens", "queued")
"""Numbers that grow with every turn that ends, and fall only when the server is started anew."""


@dataclass(frozen=True, slots=True)
class Readings:
    """`before` were taken before the first request was sent, `during` after it.

    `missing` is why most of the `unanswered` ones have no numbers; `since_ns` is when the first reading of the page was
    taken, where that was long after the first request; `fallen_ns` those of the readings at which counters had fallen.
    """

    before: tuple[ServerLine, ...]
    during: tuple[ServerLine, ...]
    stale: int
    unanswered: int
    usual_ns: int
    missing: str = ""
    since_ns: int | None = None
    fallen_ns: tuple[int, ...] = ()

    @property
    def renewed_rarely(self) -> bool:
        """Whether the page is older than a reading: what it counts is not of that instant."""
        return self.stale > 0

    @property
    def counted(self) -> tuple[ServerLine, ...]:
        """The readings between which counters tell of the run: the last one before it, then those of it.

        A page that is renewed rarely may count something of before the run in its last reading before it.
        """
        return self.during if self.renewed_rarely else (*self.before[-1:], *self.during)

    def longest_hole_ns(self, begin_ns: int, until_ns: int) -> int:
        """The longest time of a run without a reading, where it is too long for a line to be drawn over it; else 0."""
        times = [
            begin_ns,
            *(line.at_ns for line in self.during if begin_ns < line.at_ns < until_ns),
            until_ns,
        ]
        longest = max(other - one for one, other in pairwise(times))
        return longest if longest > HOLE * self.usual_ns else 0


def readings_of(run: Run) -> Readings:
    """The readings that tell something."""
    answered = [line for line in run.server if line.missing in ("", EMPTY)]
    ours = _OurRequests.of(run)
    fresh: list[tuple[int, ServerLine]] = []
    page: ServerLine | None = None
    for at, line in enumerate(answered):
        if page is not None and _numbers(line) == _numbers(page):
            if ours.must_have_changed(page, line):
                continue
        else:
            page = line
        fresh.append((at, line))
    stale = len(answered) - len(fresh)
    first_ns = ours.sent[0] if ours.sent else start_ns(run)
    before = [line for _, line in fresh if line.at_ns < first_ns]
    # A page that is renewed rarely may have been written before the run where the reading before was.
    during = [
        line
        for at, line in fresh
        if line.at_ns >= first_ns and not (stale and at and answered[at - 1].at_ns < first_ns)
    ]
    apart = [later.at_ns - earlier.at_ns for earlier, later in pairwise(run.server)]
    usual_ns = min(USUAL_NS, round(median(apart))) if apart else USUAL_NS
    missing = Counter(line.missing for line in run.server if line.missing not in ("", EMPTY))
    late = bool(answered) and answered[0].at_ns - first_ns > usual_ns
    return Readings(
        before=tuple(before),
        during=tuple(during),
        stale=stale,
        unanswered=len(run.server) - len(answered),
        usual_ns=usual_ns,
        missing=max(missing, key=lambda why: missing[why], default=""),
        since_ns=answered[0].at_ns if late else None,
        fallen_ns=_fallen_ns([*before[-1:], *during]),
    )


def value(line: ServerLine, key: str) -> float | None:
    """A number of a reading; 0 on a page that is empty because nothing has happened yet."""
    found: float | None = getattr(line, key)
    return 0.0 if found is None and line.missing == EMPTY else found


def counter(lines: Sequence[ServerLine], key: str) -> list[float]:
    """A counter at each reading; one that the page names only later is 0 until then. Empty where it never does."""
    found = [value(line, key) for line in lines]
    if not any(one is not None for one in found):
        return []
    return [one or 0.0 for one in found]


def grown(lines: Sequence[ServerLine], key: str) -> float | None:
    """How much a counter grew; None where it is absent or fell (the server was restarted)."""
    values = counter(lines, key)
    if len(values) < 2 or any(later < earlier for earlier, later in pairwise(values)):
        return None
    return values[-1] - values[0]


def _fallen_ns(lines: Sequence[ServerLine]) -> tuple[int, ...]:
    """When the readings were taken at which a counter had fallen: once where the server was started anew, often where
    several servers answer by turns."""
    found = set()
    for key in _COUNTERS:
        values = counter(lines, key)
        for (_, earlier), (line, later) in pairwise(zip(lines, values, strict=False)):
            if later < earlier:
                found.add(line.at_ns)
    return tuple(sorted(found))


def stretches(run: Run, key: str) -> list[list[tuple[float, float]]]:
    """(s since the first turn was due, value) of the readings of a gauge, cut at holes; those before the run are
    left out."""
    found = readings_of(run)
    zero, gap_ns = start_ns(run), HOLE * found.usual_ns
    cut: list[list[tuple[float, float]]] = []
    last_ns = None
    for line in found.during:
        if (number := value(line, key)) is None:
            continue
        if last_ns is None or line.at_ns - last_ns > gap_ns:
            cut.append([])
        cut[-1].append(((line.at_ns - zero) / 1e9, number))
        last_ns = line.at_ns
    return cut


def _numbers(line: ServerLine) -> tuple[object, ...]:
    return tuple(getattr(line, name) for name in _NUMBERS)


@dataclass(frozen=True, slots=True)
class _OurRequests:
    """When our requests were sent and ended, sorted; `good` are ends of good turns."""

    sent: Sequence[int]
    ended: Sequence[int]
    good: Sequence[int]

    @classmethod
    def of(cls, run: Run) -> _OurRequests:
        sent = [turn for turn in run.every_turn if turn.sent_ns is not None]
        return cls(
            sorted(turn.sent_ns for turn in sent if turn.sent_ns is not None),
            sorted(turn.end_ns for turn in sent),
            sorted(turn.end_ns for turn in sent if turn.ok),
        )

    def must_have_changed(self, page: ServerLine, line: ServerLine) -> bool:
        """Whether our requests changed a number between the reading of a page and a later one for certain.

        A turn that ended changes a counter; one that was sent while none ended changes the requests held.
        """
        from_ns = page.at_ns + SLACK_NS
        until_ns = line.at_ns - round(1e6 * (line.took_ms or 0.0)) - SLACK_NS
        counts = page.missing == EMPTY or any(getattr(page, name) is not None for name in _COUNTERS)
        if counts and _any(self.good, from_ns, until_ns):
            return True
        holds = page.missing == EMPTY or page.running is not None
        ended = _any(self.ended, page.at_ns - 2 * SLACK_NS, line.at_ns + SLACK_NS)
        return holds and not ended and _any(self.sent, from_ns, until_ns)


def _any(instants: Sequence[int], from_ns: int, until_ns: int) -> bool:
    return bisect_right(instants, until_ns) > bisect_left(instants, from_ns)
