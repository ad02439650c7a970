"""Sums of a run for Prometheus, made from its journal lines in the process that is scraped.

Workers send every line to the master, so the sums are those of all processes. A turn is counted when it ends, with
others at once (`BATCH`) or when somebody asks; a new run begins at zero. Numbers of label values are bounded, whatever
a server or a scenario calls things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chatload.analysis.mark_bounds import is_spoiled, many_spoiled
from chatload.engine.clock import now_ns
from chatload.live.bucket_counts import BucketCounts
from chatload.live.live_run import BATCH
from chatload.model.hosts import ServerFacts
from chatload.model.journal_lines import HealthLine, JournalLine
from chatload.model.metrics import e2e_ms, tpot_ms, ttft_ms, whole_ms
from chatload.model.sanitize import one_line
from chatload.model.turn import Turn
from chatload.store.manifest import Manifest

MOST_PARTS, MOST_WORKERS, MOST_VALUE = 20, 64, 60
"""Most parts of a run and most workers as label values, and most columns of a value."""
OTHER = "other"
"""The label value of what is beyond these."""
GOOD = "ok"
SILENT_NS = 5_000_000_000
"""A process without a health line for so long holds no users any more."""

# The OpenTelemetry semantic conventions for generative AI give these bounds; those above 10 s (TTFT) and 82 s are ours.
DURATION_S = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    327.68,
)
TTFT_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
TPOT_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
GAP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
TOKENS = tuple(4**power for power in range(11))


Part = tuple[str, str, str, str]
"""(group, model, dialect, kind of server) of turns: their label values."""


def _buckets(bounds: tuple[float, ...]) -> Callable[[], BucketCounts]:
    return lambda: BucketCounts(bounds)


@dataclass(slots=True)
class PartSums:
    """Sums of the turns of one part; times in s."""

    e2e: BucketCounts = field(default_factory=_buckets(DURATION_S))
    failed: dict[str, BucketCounts] = field(default_factory=dict)
    ttft: BucketCounts = field(default_factory=_buckets(TTFT_S))
    tpot: BucketCounts = field(default_factory=_buckets(TPOT_S))
    gap: BucketCounts = field(default_factory=_buckets(GAP_S))
    prompt_tokens: BucketCounts = field(default_factory=_buckets(TOKENS))
    billed_tokens: BucketCounts = field(default_factory=_buckets(TOKENS))
    tokens: int = 0
    turns: Counter[str] = field(default_factory=Counter)

    def add(self, turn: Turn) -> None:
        """Count one turn."""
        code = GOOD if turn.ok else turn.failure_code
        self.turns[code] += 1
        if not turn.ok:
            whole = whole_ms(turn) if turn.failed else None
            if whole is not None:
                self.failed.setdefault(code, BucketCounts(DURATION_S)).add(whole / 1000)
            return
        for counts, ms in ((self.e2e, e2e_ms(turn)), (self.ttft, ttft_ms(turn)), (self.tpot, tpot_ms(turn))):
            if ms is not None:
                counts.add(ms / 1000)
        if turn.gaps_us and not turn.held:
            self.gap.add_all(turn.gaps_us, 1e-6)
        for counts, tokens in (
            (self.prompt_tokens, turn.prompt_tokens),
            (self.billed_tokens, turn.billed_tokens),
        ):
            if tokens is not None:
                counts.add(tokens)
        self.tokens += turn.tokens or 0


class Controller(Protocol):
    """What a run controller tells of its run."""

    exit_code: int | None

    @property
    def manifest(self) -> Manifest:
        """That of the run that goes on, or of the last one."""


class RunMetrics:
    """Sums of one run at a time. A `chatload.runner.observer.Observer`."""

    def __init__(self, controller: Controller, now: Callable[[], int] = now_ns) -> None:
        self.controller, self._now = controller, now
        self.begin("", 0)

    def begin(self, run_id: str, at_ns: int) -> None:
        """A new run begins."""
        self.run_id = run_id
        self.parts: dict[Part, PartSums] = {}
        self.health: dict[str, HealthLine] = {}
        self.marks: Counter[str] = Counter()
        self.late_sends = self.warmup = self.spoiled = self.counted = 0
        self._groups: dict[str, str] = {}
        self._servers: dict[str, ServerFacts] = {}
        self._known: dict[str, tuple[ServerFacts, Part]] = {}
        self._told = False
        self._pending: list[Turn] = []

    def on_line(self, line: JournalLine) -> None:
        """Count one journal line."""
        if isinstance(line, Turn):
            self._pending.append(line)
            if len(self._pending) >= BATCH:
                self.count()
        elif isinstance(line, HealthLine):
            self.late_sends += line.late_sends or 0
            if line.worker in self.health or len(self.health) < MOST_WORKERS:
                self.health[line.worker] = line

    def count(self) -> None:
        """Count the turns that wait; to be called before the sums are read."""
        pending, self._pending = self._pending, []
        for turn in pending:
            self._add(turn)

    def _add(self, turn: Turn) -> None:
        if turn.warmup:
            self.warmup += 1
            return
        if turn.counts:
            self.counted += 1
            self.spoiled += is_spoiled(turn)
            self.marks.update(turn.marks)
        part = self._part(turn)
        if part not in self.parts:
            self.parts[part] = PartSums()
        self.parts[part].add(turn)

    def _part(self, turn: Turn) -> Part:
        name = turn.group or turn.name
        server = self._server(turn)
        known = self._known.get(name)
        if known is not None and known[0] is server:
            return known[1]
        if name not in self._groups:
            self._groups[name] = label_value(name) if len(self._groups) < MOST_PARTS else OTHER
        kind = server.found.name if server.found is not None else ""
        part = (
            self._groups[name],
            label_value(server.model),
            label_value(server.dialect),
            label_value(kind or server.dialect),
        )
        if len(self._known) < MOST_PARTS:
            self._known[name] = server, part
        return part

    def _server(self, turn: Turn) -> ServerFacts:
        """The server that the turn's user class asks: a turn's name begins with its class where there are several."""
        manifest = self.controller.manifest
        if not self._told:
            self._told = True
            self._servers = {name: one for one in manifest.servers for name in one.classes}
        return self._servers.get(turn.name.partition("/")[0], manifest.server)

    @property
    def fresh(self) -> list[HealthLine]:
        """The last health line of each process that still sends some."""
        since = self._now() - SILENT_NS
        return [line for line in self.health.values() if line.at_ns > since]

    @property
    def doubtful(self) -> bool:
        """Whether so many turns are marked that the figures may move; the end of the run tells whether they do."""
        return many_spoiled(self.spoiled, self.counted)


def label_value(words: str) -> str:
    """Untrusted text as a label value."""
    return one_line(words, MOST_VALUE)
