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


def agree(totals: dict[str, Any], folder: Path) -> None:
    """Live totals against the journals of the run: counts exact, quantiles within 1 %."""
    summary = summarise(read_run(folder))
    assert totals["turns"] == summary.turns > 0
    assert totals["failed"] == summary.failures
    assert totals["tokens"] == summary.tokens
    assert totals["stalls"] == summary.stalls.count
    for name, (metric, p) in QUANTILES.items():
        assert totals[name] == pytest.approx(getattr(summary.of_whole_run(metric), p), rel=0.01), name
