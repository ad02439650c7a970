"""Sums of a run in progress, made from its journal lines in the process that has the web UI.

Workers send every line to the master, so counts are exact for any number of processes. Values of histograms are
within 0.5 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from operator import itemgetter

from chatload.analysis.histogram import Histogram
from chatload.engine.clock import now_ns
from chatload.live.live_table import Row, Tally, columns, live_statistics, percentiles_of
from chatload.live.run_timeline import COLUMNS, Timeline
from chatload.live.slo_so_far import SoFar
from chatload.model.journal_lines import HealthLine, JournalLine
from chatload.model.sanitize import one_line
from chatload.model.stalls import stalls_ms
from chatload.model.turn import Turn
from chatload.runner.arriving_tokens import ArrivingTokens

MOST_ROWS = 30
"""Rows of the table; turns with a higher number are counted in the last one."""
BATCH = 16
"""Turns that are counted at once, which takes two thirds of the time of one by one, since the code is still at hand in
the processor's cache. No more, since users wait meanwhile (2 ms); each health line, one a second, counts what waits."""
SETTLED_SHARE = 0.95
ALL = (MOST_ROWS + 1, "all")


class LiveRun:
    """Sums of one run at a time; a new run, or a reset, sets them to zero. A `chatload.runner.observer.Observer`."""

    def __init__(self, counting: Callable[[], SoFar] = SoFar) -> None:
        self._counting = counting
        self._columns = [asdict(one) for one in columns()]
        self.run_id = ""
        self.resets = 0
        self._began_ns = 0
        self._clear()

    def begin(self, run_id: str, at_ns: int) -> None:
        """A new run begins."""
        self.run_id = run_id
        self.resets = 0
        self._began_ns = at_ns
        self._clear()

    def reset(self) -> None:
        """Set the sums to zero, as Locust's own reset does. The journal keeps everything."""
        self.resets += 1
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[tuple[int, str], Tally] = {}
        self._pending: list[Turn] = []
        self._fresh: dict[tuple[int, str], Tally] = {}
        self._shown: dict[tuple[int, str], Row] = {}
        self._whole = Tally()
        self._timeline = Timeline(self._began_ns)
        self._so_far = self._counting()
        self._arriving = ArrivingTokens()
        self._begun: dict[str, float] = {}

    def on_line(self, line: JournalLine) -> None:
        """Count one journal line."""
        if isinstance(line, Turn):
            if not line.warmup:
                self._pending.append(line)
                if len(self._pending) >= BATCH:
                    self._take()
        elif isinstance(line, HealthLine):
            self._take()  # lines keep their order
            self._timeline.hear_health(line)
            self._begun.update(line.begun)
            self._arriving.add_health(line)

    def _take(self) -> None:
        """Count the turns that wait."""
        pending, self._pending = self._pending, []
        for turn in pending:
            self._add(turn)

    def _add(self, turn: Turn) -> None:
        self._begun.pop(turn.turn_id, None)
        stalls = stalls_ms(turn) if turn.ok else []
        key = _row_of(turn)
        row = self._fresh.get(key)
        if row is None:
            row = self._fresh[key] = Tally()
        row.add(turn, stalls)
        self._timeline.add(turn, stalls)
        self._so_far.add(turn)
        self._arriving.add(turn)

    @property
    def whole(self) -> Tally:
        """The sums over all rows."""
        self._settle()
        return self._whole

    def _settle(self) -> None:
        """Add what has come since the last look to the sums: to merge all rows anew would take longer, each second."""
        self._take()
        for key, tally in self._fresh.items():
            self._rows.setdefault(key, Tally()).merge(tally)
            self._whole.merge(tally)
            self._shown.pop(key, None)
            self._shown.pop(ALL, None)
        self._fresh.clear()

    def table(self, scenario: str) -> list[Row]:
        """A row for each turn number or named part of the run, if there are several, and one of all; none before
        the first turn."""
        self._settle()
        if not self._rows:
            return []
        parts = sorted(self._rows, key=itemgetter(0))
        keys = [*parts, ALL] if len(parts) > 1 else [ALL]
        return [{**self._row(key), "name": f"{scenario}/{key[1]}"} for key in keys]

    def _row(self, key: tuple[int, str]) -> Row:
        """The row; computed again only after it changed. The sums are settled."""
        if key not in self._shown:
            self._shown[key] = (self.whole if key == ALL else self._rows[key]).row()
        return self._shown[key]

    def state(self, since: int) -> dict[str, object]:
        """Sums for the page, and the points that changed after revision `since`."""
        whole = self.whole
        row = self._row(ALL)
        reply_s = (whole.e2e_ms.quantile(SETTLED_SHARE) or 0.0) / 1000
        points = list(self._timeline.points(since))
        return {
            "columns": COLUMNS,
            "table": self._columns,
            "points": points,
            "width_s": self._timeline.width_s,
            "revision": self._timeline.mark(),
            "now_s": round((now_ns() - self._began_ns) / 1e9, 1) if self.run_id else 0,
            "reply_s": round(reply_s, 1),
            "resets": self.resets,
            "totals": {
                **row,
                **self._ttft_with_begun(),
                "many_marked": whole.many_marked,
                "cut_short": whole.cut_short,
                "arriving_tokens_per_s": self._arriving.per_s(recent=True),
                "mean_tokens_per_s": self._arriving.per_s(recent=False),
                "longest_stall_ms": whole.longest_stall_ms,
            },
            "slo": self._so_far.state(),
            "failures": dict(whole.failed.most_common()),
        }

    def _ttft_with_begun(self) -> Row:
        """The columns of TTFT with the first tokens of replies that still run; none where there are none."""
        if not self._begun:
            return {}
        values = Histogram(self._begun.values())
        values.merge(self.whole.metrics["ttft_ms"])
        names = [name for one, name in live_statistics() if one.key == "ttft_ms"]
        return {f"ttft_ms_{name}": value for name, value in percentiles_of(values, names).items()}


def _row_of(turn: Turn) -> tuple[int, str]:
    """(place in the table, name): a level of a sweep by its group, a turn that has a name by that, else its number
    in its conversation."""
    number = min(turn.turn, MOST_ROWS)
    if turn.group or turn.name:
        return 0, one_line(turn.group or turn.name, 40)
    return number, f"turn {number}" if turn.turn < MOST_ROWS else f"turn {MOST_ROWS} on"
