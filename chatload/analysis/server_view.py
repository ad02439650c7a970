"""The server's own numbers over a run, from its /metrics page."""

from __future__ import annotations

from itertools import pairwise

from chatload.analysis.series import start_ns
from chatload.store.journal import Run


def readings(run: Run, key: str) -> list[tuple[float, float]]:
    """(s since the first turn was due, value) of each reading that has the number; readings before it at 0."""
    zero = start_ns(run)
    return [
        (max(0.0, (line.at_ns - zero) / 1e9), value)
        for line in run.server
        if (value := getattr(line, key)) is not None
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
