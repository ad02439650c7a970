"""Our tab on Locust's own page: its table knows text and numbers, and sorts rows by `name`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = [
    {"key": "part", "title": "Scenario / part"},
    {"key": "turns", "title": "Turns"},
    {"key": "failed", "title": "Failed"},
    {"key": "ttft_p50_ms", "title": "TTFT p50 (ms)"},
    {"key": "ttft_p95_ms", "title": "TTFT p95 (ms)"},
    {"key": "ttft_p99_ms", "title": "TTFT p99 (ms)"},
    {"key": "first_byte_p95_ms", "title": "First byte p95 (ms)"},
    {"key": "decode_tokens_per_s", "title": "Decode (tokens/s)"},
    {"key": "felt_tokens_per_s", "title": "Felt (tokens/s)"},
    {"key": "gap_p99_ms", "title": "Event gap p99 (ms)"},
    {"key": "stalls", "title": "Stalls"},
    {"key": "trust", "title": "Trust"},
]


def tab_rows(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `Live.table` for Locust's page: rounded, a dash for nothing, `name` made to sort as it stands."""
    return [
        {
            **{key: _shown(value) for key, value in row.items()},
            "part": row["name"].replace(" ", "\u00a0"),  # never broken over two lines
            "name": f"{place:04d}",
        }
        for place, row in enumerate(table)
    ]


def _shown(value: Any) -> Any:
    if value is None:
        return "–"
    return round(value, 1) if isinstance(value, float) else value
