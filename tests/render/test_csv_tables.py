"""CSV: every number of the summary, a row a turn, nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pytest

from chatload.__main__ import main
from chatload.analysis.summary import summarise
from chatload.model.metrics import ttft_ms
from chatload.store.journal import read_run
from tests.runs_builder import HERE


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict[str, str]]:
    assert main(["report", *argv]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))


def test_csv_is_the_summary_in_long_form(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "--csv", str(HERE / "steady"), str(HERE / "troubled"))
    summary = summarise(read_run(HERE / "steady"))
    mine = [row for row in rows if row["run"].startswith("vLLM")]
    found = {(row["metric"], row["statistic"]): row for row in mine if row["window"] == "all users in"}
    whole = {(row["metric"], row["statistic"]): row for row in mine if row["window"] == "whole run"}
    assert float(whole["ttft_ms", "p95"]["value"]) == summary.of_whole_run("ttft_ms").p95
    assert whole["ttft_ms", "p95"]["value"] != found["ttft_ms", "p95"]["value"]
    assert float(found["tokens_per_s", "all users in_high"]["value"]) == summary.steady.tokens_interval[1]
    assert float(found["ttft_ms", "p95"]["value"]) == summary.metric("ttft_ms").p95
    assert found["ttft_ms", "p95"]["unit"] == "ms"
    assert float(found["ttft_ms", "p95_low"]["value"]) == summary.metric("ttft_ms").interval["p95"][0]
    assert found["ttft_ms", "p99"]["value"] == ""  # 240 turns are too few
    assert float(found["tokens_per_s", "all users in"]["value"]) == summary.steady.tokens_per_s
    assert len({row["run"] for row in rows}) == 2
    assert {row["statistic"] for row in rows if row["metric"] == "failed"} == {
        "truncated",
        "http_429",
        "in_band_error",
    }


def test_csv_turns_has_each_turn_once(capsys: pytest.CaptureFixture[str]) -> None:
    run = read_run(HERE / "troubled")
    rows = printed(capsys, "--csv-turns", str(HERE / "troubled"))
    assert len(rows) == len(run.turns)
    for row, turn in zip(rows, run.turns, strict=True):
        wanted = ttft_ms(turn)
        assert row["ttft_ms"] == ("" if wanted is None else str(wanted))
        assert (row["user"], row["turn"]) == (str(turn.user), str(turn.turn))
        assert not row["detail"].startswith(("=", "+", "-", "@"))
