"""JMeter's Aggregate Report: its percentile on hand cases, its units, its rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from chatload.__main__ import main
from chatload.render.jmeter_aggregate import line_share, percent_point, rate

RUNS = Path(__file__).parents[1] / "runs"


@pytest.mark.parametrize(
    ("n", "percent", "kth"),
    [
        (1, 50, 1), (2, 50, 1), (3, 50, 2), (4, 50, 2), (5, 50, 3), (10, 50, 5),
        (1, 90, 1), (10, 90, 9), (20, 90, 18), (100, 90, 90),
        (5, 90, 4),  # 5 · 0.9f = 4.4999999: the 4th, though 4.5 would round to the 5th
        (15, 90, 13),  # 13.4999996
        (10, 95, 9),  # 9.49999988: the 9th
        (20, 95, 19), (100, 95, 95), (1000, 95, 950),
        (50, 99, 50),  # 49.5000005: rounds up
        (100, 99, 99), (10, 99, 10),
    ],
)  # fmt: skip
def test_the_kth_of_n(n: int, percent: int, kth: int) -> None:
    values = list(range(1, n + 1))
    share = 0.5 if percent == 50 else line_share(percent)
    assert percent_point(values, share) == kth


def test_no_value_is_zero() -> None:
    assert percent_point([], 0.5) == 0


@pytest.mark.parametrize(
    ("n", "length_ms", "shown"),
    [
        (100, 10_000, "10.0/sec"),
        (1, 1000, "1.0/sec"),
        (1, 1001, "59.9/min"),
        (1, 60_001, "60.0/hour"),
        (1, 7_200_000, ".5/hour"),
        (1, 0, "∞/sec"),
        (0, 0, ".0/hour"),
        (25, 20_000, "1.2/sec"),  # 1.25: half to even
    ],
)
def test_throughput_in_jmeters_units(n: int, length_ms: int, shown: str) -> None:
    assert rate(n, length_ms) == shown


def test_the_report_is_what_jmeter_makes_of_the_jtl(capsys: pytest.CaptureFixture[str]) -> None:
    """JMeter 2.13 read this run's JTL (make jmeter-check) and showed these numbers."""
    assert main(["report", str(RUNS / "troubled"), "--format", "jmeter"]) == 0
    heading, turn, total = capsys.readouterr().out.splitlines()
    names = "Label # Samples Average Median 90% Line 95% Line 99% Line Min Max Error % Throughput"
    assert " ".join(heading.split()) == names + " Received KB/sec Sent KB/sec"
    shown = ["99", "387", "369", "490", "526", "590", "30", "2861", "11.11%", "8.6/sec", "19.87", "0.00"]
    assert turn.split() == ["turn", *shown]
    assert total.split() == ["TOTAL", *shown]


def test_the_report_is_computed_from_the_jtls_columns(capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "jtl", str(RUNS / "vllm")])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    elapsed = sorted(int(row["elapsed"]) for row in rows)
    main(["report", str(RUNS / "vllm"), "--format", "jmeter"])
    found = capsys.readouterr().out.splitlines()[-1].split()
    assert found[1:4] == ["100", str(sum(elapsed) // 100), str(elapsed[49])]
    assert found[7:9] == [str(elapsed[0]), str(elapsed[-1])]


def test_several_runs_are_titled_and_an_empty_one_has_a_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(RUNS / "vllm"), str(RUNS / "unreachable"), "--format", "jmeter"]) == 0
    out = capsys.readouterr().out
    assert out.count("# Samples") == 2
    assert "(unreachable)" in out


def test_json_does_not_go_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(RUNS / "vllm"), "--format", "jmeter", "--json"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
