"""What one run says: every figure with its interval, by the product's own functions."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatload.analysis.block_interval import (
    Estimate,
    blocks_of,
    quantile_estimate,
    rate_estimate,
    tokens_by_block,
    turn_cycle_s,
)
from chatload.model.metrics import felt_tokens_per_s, tpot_ms, ttft_ms
from chatload.model.turn import Turn
from lab.coverage.cases import AnyCase, Case


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of a metric of turns."""

    name: str
    of: Callable[[Turn], float | None]
    p: float
    metric: str
    more_is_better: bool = False


PERCENTILES = (
    Percentile("TTFT p50", ttft_ms, 0.50, "ttft"),
    Percentile("TTFT p90", ttft_ms, 0.90, "ttft"),
    Percentile("TTFT p95", ttft_ms, 0.95, "ttft"),
    Percentile("felt p50", felt_tokens_per_s, 0.50, "felt", more_is_better=True),
    Percentile("TPOT p50", tpot_ms, 0.50, "tpot"),
    Percentile("TTFT p99", ttft_ms, 0.99, "ttft"),
)
SYSTEM = "system tokens/s"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run's figures. `values` are those of the turns in its window, `block` is the block of each.

    `estimates` is empty where the window is too short for an interval; `whole_…` are of all turns of the run.
    """

    cycles: float
    blocks: int
    estimates: dict[str, Estimate]
    values: dict[str, array[float]]
    block: dict[str, array[int]]
    whole_due_s: array[float]
    whole_ttft: array[float]


def measure(case: AnyCase, turns: Sequence[Turn]) -> Measured:
    """The figures of a run of the case."""
    window, cycle_s = case.window(turns), turn_cycle_s(turns)
    whole = (
        array("d", [turn.due_ns / 1e9 for turn in turns]),
        array("d", [ttft_ms(turn) or 0.0 for turn in turns]),
    )
    if window is None or cycle_s is None:
        return Measured(0.0, 0, {}, {}, {}, *whole)
    inside = window.turns(turns)
    blocks = blocks_of(window.from_ns, window.until_ns, cycle_s, detrend=case.grows)
    values: dict[str, array[float]] = {}
    block: dict[str, array[int]] = {}
    estimates: dict[str, Estimate] = {}
    for one in PERCENTILES:
        if one.metric not in values:
            pairs = [(turn.due_ns, value) for turn in inside if (value := one.of(turn)) is not None]
            values[one.metric] = array("d", [value for _, value in pairs])
            block[one.metric] = array("i", [blocks.of(due_ns) if blocks else 0 for due_ns, _ in pairs])
        if blocks is not None and values[one.metric]:
            estimates[one.name] = quantile_estimate(values[one.metric], block[one.metric], blocks, one.p)
    if blocks is not None and isinstance(
        case, Case
    ):  # a window of a search lacks the tokens of earlier turns
        estimates[SYSTEM] = rate_estimate(tokens_by_block(turns, blocks), blocks)
    cycles = (window.until_ns - window.from_ns) / 1e9 / cycle_s
    return Measured(cycles, blocks.count if blocks else 0, estimates, values, block, *whole)
