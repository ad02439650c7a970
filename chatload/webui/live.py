"""The run as it goes on, summed up from its journal lines in the process that holds the web UI.

Workers ship every line to the master, so counts are exact however many processes there are; histograms
are within 0.5 %.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from chatload.clock import now_ns
from chatload.meter.stalls import stalls_ms
from chatload.report.untrusted import one_line
from chatload.turn import Turn
from chatload.webui.tally import Tally
from chatload.webui.timeline import COLUMNS, Timeline

MOST_ROWS = 30
"""Rows of the table; turns of a higher number share the last one."""
SETTLED_SHARE = 0.95


class Live:
    """Hears one run at a time (`chatload.users.audience.Audience`); a new run, or a reset, starts it clean."""

    def __init__(self) -> None:
        self.run_id = ""
        self.resets = 0
        self._began_ns = 0
        self._clear()

    def begin(self, run_id: str, at_ns: int) -> None:
        """A run begins; whatever was heard before belongs to another one."""
        self.run_id = run_id
        self.resets = 0
        self._began_ns = at_ns
        self._clear()

    def reset(self) -> None:
        """Count anew from now on, as Locust's own reset does. The journal keeps everything."""
        self.resets += 1
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[tuple[int, str], Tally] = {}
        self._timeline = Timeline(self._began_ns)
        self._ended = False

    def hear(self, line: dict[str, Any], turn: Turn | None) -> None:
        """Count one journal line; `turn` is the line's turn, where it is one."""
        if turn is not None:
            stalls = stalls_ms(turn) if turn.ok else []
            self._rows.setdefault(_row_of(turn), Tally()).add(turn, stalls)
            self._timeline.add(turn, stalls)
        elif line["kind"] == "health":
            self._timeline.hear_health(line["worker"], line)

    @property
    def whole(self) -> Tally:
        """All rows as one."""
        whole = Tally()
        for tally in self._rows.values():
            whole.merge(tally)
        return whole

    def table(self, scenario: str) -> list[dict[str, Any]]:
        """One row a turn number, or a named part of the run, and one of all; nothing before the first turn."""
        if not self._rows:
            return []
        rows = [self._rows[key].row(f"{scenario}/{key[1]}") for key in sorted(self._rows, key=itemgetter(0))]
        return [*rows, self.whole.row(f"{scenario}/all")]

    def state(self, since: int) -> dict[str, Any]:
        """What the page needs to draw: sums, and the points that changed after revision `since`."""
        whole = self.whole
        ttft = whole.metrics["ttft_ms"].quantiles(0.5, 0.95, 0.99)
        reply_s = (whole.metrics["e2e_ms"].quantile(SETTLED_SHARE) or 0.0) / 1000
        points = list(self._timeline.points(since))
        return {
            "columns": COLUMNS,
            "points": points,
            "width_s": self._timeline.width_s,
            "revision": self._timeline.mark(),
            "now_s": round((now_ns() - self._began_ns) / 1e9, 1) if self.run_id else 0,
            "reply_s": round(reply_s, 1),
            "resets": self.resets,
            "totals": {
                "turns": whole.turns,
                "failed": whole.failures,
                "cut_short": whole.cut_short,
                "tokens": whole.tokens,
                "ttft_p50_ms": ttft[0],
                "ttft_p95_ms": ttft[1],
                "ttft_p99_ms": ttft[2],
                "decode_tokens_per_s": whole.metrics["decode_tokens_per_s"].quantile(0.5),
                "felt_tokens_per_s": whole.metrics["felt_tokens_per_s"].quantile(0.5),
                "gap_p99_ms": whole.gap_ms.quantile(0.99),
                "stalls": whole.stalls,
                "longest_stall_ms": whole.longest_stall_ms,
                "trust": whole.trust(),
            },
            "failures": dict(whole.failed.most_common()),
        }


def _row_of(turn: Turn) -> tuple[int, str]:
    """(place in the table, name): a level of a sweep by its group, else the turn's number in its conversation."""
    number = min(turn.turn, MOST_ROWS)
    if turn.group:
        return 0, one_line(turn.group, 40)
    return number, f"turn {number}" if turn.turn < MOST_ROWS else f"turn {MOST_ROWS} on"
