"""What the journals of a run say, summed up the exact way: what live numbers are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.store.journal import read_run

QUANTILES = {
    "ttft_ms_p50": ("ttft_ms", "p50"),
    "ttft_ms_p95": ("ttft_ms", "p95"),
    "ttft_ms_p99": ("ttft_ms", "p99"),
    "decode_tokens_per_s_p50": ("decode_tokens_per_s", "p50"),
    "felt_tokens_per_s_p50": ("felt_tokens_per_s", "p50"),
    "gap_ms_p99": ("gap_ms", "p99"),
}
LEAST = {"p50": 6, "p95": 72, "p99": 368}
"""Fewer values than these do not support the percentile."""


def agree(totals: dict[str, Any], folder: Path) -> None:
    """Live totals against the journals of the run: counts exact, quantiles within 1 %, or `n<72` of too few."""
    summary = summarise(read_run(folder))
    assert totals["turns"] == summary.turns > 0
    assert totals["failed"] == summary.failures
    assert totals["tokens"] == summary.tokens
    assert totals["stalls"] == summary.stalls.count
    for name, (metric, p) in QUANTILES.items():
        exact = summary.of_whole_run(metric)
        too_few = f"n<{LEAST[p]}" if exact.n < LEAST[p] else None
        assert totals[name] == (too_few or pytest.approx(getattr(exact, p), rel=0.01)), name
