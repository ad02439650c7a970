"""The mean power of the GPUs over some time, from readings that come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from chatload.analysis.server_readings import HOLE, USUAL_NS
from chatload.analysis.window import Window
from chatload.model.journal_lines import PowerLine

LEAST_COVERED = 0.5
"""Of a stretch, less of which was read, no mean power is told."""


@dataclass(frozen=True, slots=True)
class Power:
    """`watts` is None where it is not known, and `why` says the reason, or what to doubt.

    `covered`: share of the time between two readings near enough. `renewed_s`: usual time between two numbers that
    differ.
    """

    watts: float | None
    gpus: int
    covered: float
    renewed_s: float | None
    why: str = ""


def power_of(lines: Sequence[PowerLine], windows: Sequence[Window]) -> Power:
    """The mean power in the windows: ∫ P dt ÷ t, P linear between two readings at most 2.5 usual times apart."""
    told = [line for line in lines if line.watts is not None]
    gpus = max((line.gpus for line in told), default=0)
    whole_s = sum(window.seconds for window in windows)
    if not told:
        missing = {line.missing for line in lines}
        why = (
            "its page never answered"
            if "no answer" in missing or not lines
            else "its page has no power of GPUs"
        )
        return Power(None, 0, 0.0, None, f"--power-metrics: {why}")
    joules = covered_s = 0.0
    for window in windows:
        for from_s, until_s, from_w, until_w in _pieces(lines, window):
            covered_s += until_s - from_s
            joules += (until_s - from_s) * (from_w + until_w) / 2
    covered = covered_s / whole_s if whole_s > 0 else 0.0
    if covered < LEAST_COVERED:
        why = f"--power-metrics: power was read in {covered_s:,.0f} of {whole_s:,.0f} s only"
        return Power(None, gpus, round(covered, 3), None, why)
    counts = {line.gpus for line in told}
    why = f"its page had {min(counts)} to {max(counts)} GPUs" if len(counts) > 1 else ""
    return Power(round(joules / covered_s, 3), gpus, round(covered, 3), _renewed_s(told), why)


def _pieces(lines: Sequence[PowerLine], window: Window) -> Iterator[tuple[float, float, float, float]]:
    """(from s, until s, W there, W here) of the time between two readings, as far as it is in the window."""
    apart = [later.at_ns - earlier.at_ns for earlier, later in pairwise(lines)]
    usual_ns = min(USUAL_NS, median(apart)) if apart else USUAL_NS
    for one, other in pairwise(lines):
        if one.watts is None or other.watts is None or not 0 < other.at_ns - one.at_ns <= HOLE * usual_ns:
            continue
        from_ns, until_ns = max(one.at_ns, window.from_ns), min(other.at_ns, window.until_ns)
        if from_ns >= until_ns:
            continue
        slope = (other.watts - one.watts) / (other.at_ns - one.at_ns)
        yield (
            from_ns / 1e9,
            until_ns / 1e9,
            one.watts + slope * (from_ns - one.at_ns),
            one.watts + slope * (until_ns - one.at_ns),
        )


def _renewed_s(told: Sequence[PowerLine]) -> float | None:
    changed = [later.at_ns for earlier, later in pairwise(told) if later.watts != earlier.watts]
    apart = [(later - earlier) / 1e9 for earlier, later in pairwise(changed)]
    return round(median(apart), 1) if apart else None
