"""The server's own numbers over a run (its /metrics page), set beside what the client saw."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from chatload.record.journal import Run
from chatload.report.layout import seconds
from chatload.report.series import in_flight, start_ns

COUNTERS = ("preemptions", "queue_s", "queued", "generated_tokens", "prefix_hits", "prefix_queries")


def readings(run: Run, key: str) -> list[tuple[float, float]]:
    """(s since the first turn was due, value) of each reading that has the number; readings before it at 0."""
    zero = start_ns(run)
    return [
        (max(0.0, (line["at_ns"] - zero) / 1e9), float(line[key]))
        for line in run.server
        if isinstance(line.get(key), int | float)
    ]


def grown(run: Run, key: str) -> float | None:
    """How much a counter grew over the run; None where it is absent or fell (the server was restarted)."""
    values = [value for _, value in readings(run, key)]
    if len(values) < 2 or any(later < earlier for earlier, later in pairwise(values)):
        return None
    return values[-1] - values[0]


def peak(run: Run, key: str) -> float | None:
    """The highest reading of a gauge."""
    return max((value for _, value in readings(run, key)), default=None)


def beside(run: Run, summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, the server says, the client saw): the two sides of the same thing, where the server tells."""
    queued, queue_s = grown(run, "queued"), grown(run, "queue_s")
    asked, hits = grown(run, "prefix_queries"), grown(run, "prefix_hits")
    kv_use = peak(run, "kv_use")
    tokens, preempted = grown(run, "generated_tokens"), grown(run, "preemptions")
    cached = f"{100 * hits / asked:.0f} %" if asked and hits is not None else ""
    rows = [
        ("requests at once, at most", _sum_of_peaks(run), whole(_most_in_flight(run))),
        ("in its batch, at most", whole(peak(run, "running")), ""),
        ("waiting, at most", whole(peak(run, "waiting")), ""),
        (
            "wait before the first token, mean",
            f"queue {seconds(1000 * queue_s / queued)}" if queued and queue_s is not None else "",
            f"TTFT {seconds(summary['ttft_ms']['mean'])}" if summary["ttft_ms"]["n"] else "",
        ),
        ("tokens generated", whole(tokens), whole(summary["tokens"])),
        ("KV cache in use, at most", f"{100 * kv_use:.0f} %" if kv_use is not None else "", ""),
        ("preemptions", whole(preempted), ""),
        ("prompt tokens from the prefix cache", cached, ""),
    ]  # fmt: skip
    return [row for row in rows if row[1]]


def whole(value: float | None) -> str:
    """A count with its thousands; nothing where there is none."""
    return "" if value is None else f"{value:,.0f}"


def _sum_of_peaks(run: Run) -> str:
    """The most that were running and waiting at one reading."""
    both: dict[float, float] = {}
    for key in ("running", "waiting"):
        for at_s, value in readings(run, key):
            both[at_s] = both.get(at_s, 0.0) + value
    return whole(max(both.values(), default=None))


def _most_in_flight(run: Run) -> float:
    return max(in_flight(run)[1], default=0)
