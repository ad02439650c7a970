"""Results of a benchmark from hand-made answers and costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatload.certify.client_errors import ClientAnswer, ServerAnswer
from lab.benchmarks.harness import Cost, Load
from lab.benchmarks.other_tools import other_tool, p99_ms
from lab.benchmarks.results import result, result_of_tool, table

MS = 1_000_000
SECOND = 1_000_000_000


def test_cpu_is_read_between_samples() -> None:
    cost = Cost([(SECOND, 0, 10), (2 * SECOND, SECOND // 2, 30), (3 * SECOND, SECOND, 20)])
    assert cost.cpu_s(SECOND * 3 // 2, SECOND * 5 // 2) == 0.5
    assert cost.peak_mb() == 30e-6


def truth_and_recorded() -> tuple[dict[str, ServerAnswer], dict[str, ClientAnswer]]:
    truth, recorded = {}, {}
    for number in range(6):
        at = number * SECOND
        tokens = tuple(at + 100 * MS + k * 100 * MS for k in range(5))
        truth[str(number)] = ServerAnswer(at, tokens)
        recorded[str(number)] = ClientAnswer(at, tokens[0] + MS, tokens[-1] + MS, 4)
    return truth, recorded


def test_the_result_of_a_client_that_is_1_ms_late() -> None:
    truth, recorded = truth_and_recorded()
    cost = Cost([(-SECOND, 0, 5), (6 * SECOND, 7 * SECOND, 5)])
    row = result(recorded, truth, cost, users=1)
    assert (row.answers, row.ttft_ms_p50, row.ttft_max_ms, row.gap_mean_ms) == (6, 1.0, 1.0, 0.0)
    assert row.reported_p99_off_ms == pytest.approx(1.0)
    assert row.start_s == 1.0
    assert row.gross_cpu_s_per_mtoken == pytest.approx(7e6 / 30)
    # from the second request to the last answer's end: 4.5 s of a full core, 25 tokens
    assert row.steady_cpu_s_per_mtoken == pytest.approx(4.5e6 / 25)


def test_answers_that_cannot_be_joined_end_the_benchmark() -> None:
    truth, recorded = truth_and_recorded()
    with pytest.raises(SystemExit, match="only 2 of 6"):
        result({name: recorded[name] for name in ("0", "1")}, truth, Cost([(0, 0, 0)]), 1)


def test_a_table_has_medians_ranges_and_ratios() -> None:
    truth, recorded = truth_and_recorded()
    one = result(recorded, truth, Cost([(-SECOND, 0, 5), (6 * SECOND, 7 * SECOND, 5)]), 1)
    two = result(recorded, truth, Cost([(-SECOND, 0, 5), (6 * SECOND, 14 * SECOND, 5)]), 1)
    told_only = result_of_tool(100.0, truth, Cost([(0, 0, 0)]), 9)
    lines = table({"ours": [one, one], "theirs": [two, two], "tool": [told_only, told_only]})
    ours, theirs, told = lines.splitlines()[2:]
    assert ours.endswith("| 1.00 |")
    assert theirs.startswith("| theirs (2) |")
    assert theirs.endswith("| 2.00 |")
    assert told.startswith("| tool (2) | – | – | – | 0.000 |")


def test_a_tools_command_and_what_it_reports(tmp_path: Path) -> None:
    client = other_tool("tool=out.json:ttft.p99_s=tool --url {host} -n {requests} -o {folder}/out.json")
    assert client.command(Load(users=10, turns=3), "http://h", tmp_path)[1:5] == [
        "--url",
        "http://h",
        "-n",
        "30",
    ]
    (tmp_path / "out.json").write_text(json.dumps({"ttft": {"p99_s": 0.25}}), encoding="utf-8")
    assert client.reported is not None
    assert client.reported(tmp_path) == 250.0
    assert p99_ms({"runs": [{"p99_ms": 3}]}, "runs.0.p99_ms") == 3.0
    with pytest.raises(SystemExit, match="must be NAME"):
        other_tool("tool")
