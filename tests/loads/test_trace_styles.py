"""Traces of others: BurstGPT's and Azure's CSV, Mooncake's JSONL. Rows are made up in their columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.loads.trace import TraceRow, read_trace
from chatload.model.errors import UsageError


def saved(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_burstgpt_counts_seconds_and_zero_answers_are_unknown(tmp_path: Path) -> None:
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "45,ChatGPT,472,18,490,Conversation log\n5,ChatGPT,20,9,29,Conversation log\n118.5,GPT-4,417,0,417,API log\n"
    )
    assert read_trace(saved(tmp_path, text)).rows == (
        TraceRow(0, 20, 9),
        TraceRow(40_000_000_000, 472, 18),
        TraceRow(113_500_000_000, 417, None),
    )


@pytest.mark.parametrize("zone", ["", "+00:00", "Z"])
def test_azure_has_dates_with_seven_digits(tmp_path: Path, zone: str) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        f"2023-12-31 23:59:59.9799600{zone},374,44\n2024-01-01 00:00:00.0899600{zone},396,109\n"
    )
    assert read_trace(saved(tmp_path, text)).rows == (TraceRow(0, 374, 44), TraceRow(110_000_000, 396, 109))


def test_mooncake_counts_milliseconds_and_its_hash_ids_are_passed_over(tmp_path: Path) -> None:
    text = (
        '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
        '{"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": [46, 2352]}\n'
    )
    assert read_trace(saved(tmp_path, text)).rows == (
        TraceRow(0, 6955, 52),
        TraceRow(3_053_000_000, 6472, 26),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("TIMESTAMP,ContextTokens\nyesterday,5\n", "TIMESTAMP 'yesterday': must be a number, or like"),
        ("TIMESTAMP,ContextTokens\n2023-13-01 00:00:00,5\n", "must be a number, or like"),
        ("Timestamp,Request tokens\n-1,5\n", "must be 0 or more"),
        ("Timestamp,timestamp\n1,5\n", "both Timestamp and timestamp"),
        ("Timestamp,timestamp\n1,\n,5\n", "some rows have Timestamp and some timestamp"),
        ('{"turns": [{"text": [{"contents": null}]}]}\n', "turn 1 has no text"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_trace(saved(tmp_path, text))
    assert told in caught.value.lines[0]
