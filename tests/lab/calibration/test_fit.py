"""The profiles against what was measured: the limits the simulator promises."""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path

import pytest

from lab.calibration import __main__ as calibration
from lab.calibration import article, h100
from lab.calibration.calibration_row import CalibrationRow, table
from lab.calibration.nelder_mead import nelder_mead
from lab.calibration.replay import Target, read_rows, replay_conversations, replay_open
from tests.long import LONG

H100 = Path(__file__).parents[2] / "cases" / "h100"


drawn = cache(partial(article.figures, seeds=(article.CHECKED_SEED,)))


@pytest.mark.parametrize("server", article.SERVERS)
def test_the_articles_fitted_rows_hold(server: str) -> None:
    """Throughput and average speed within 8 %, lowest within 35 %, batches within 5 %; all in under 10 s."""
    began = time.process_time()
    found = drawn(server)
    assert time.process_time() - began < 10
    assert [one for one in found if one.fitted and not one.holds] == []
    assert {one.allowed for one in found if one.name == "lowest tokens/s"} == {0.35}
    assert sum(one.fitted for one in found) == (12 if server.startswith("vllm") else 9)


def test_the_unseen_rows_are_there_and_not_fitted() -> None:
    found = drawn("vllm-0.1.2")
    unseen = [one for one in found if not one.fitted]
    assert {one.load for one in unseen} == {
        "vllm-0.1.2 every 0.05 s",
        "vllm-0.1.2 100 at once",
        "vllm-0.1.2 1000 at once",
    }
    assert next(one for one in unseen if one.load.endswith("0.05 s") and "requests" in one.name).holds


@pytest.fixture(scope="module")
def measured() -> list[CalibrationRow]:
    return h100.figures(h100.load_rows(H100), Target(h100.PROFILE, {}))


def test_the_h100s_sweep_is_within_five_percent(measured: list[CalibrationRow]) -> None:
    sweep = [one for one in measured if one.load.startswith("sweep")]
    assert [one.load for one in sweep] == [f"sweep {2**i}" for i in range(8)]
    assert [one for one in sweep if abs(one.error) > 0.05] == []


def test_the_h100s_intervals_hold(measured: list[CalibrationRow]) -> None:
    """Throughput and average speed within 8 %, TTFT p50 within 20 % or 5 ms."""
    rows = [one for one in measured if one.load.startswith("interval")]
    assert len(rows) == 9
    for one in rows:
        if one.name.startswith("TTFT"):
            assert abs(one.error) <= 0.2 or abs(one.ours - one.measured) <= 5
        else:
            assert abs(one.error) <= 0.08


def test_the_h100s_twenty_seats_hold(measured: list[CalibrationRow]) -> None:
    (ttft,) = [one for one in measured if one.load == "chat-256-seqs20" and one.name.startswith("TTFT")]
    assert abs(ttft.error) <= 0.10


def test_the_h100s_growing_histories_run_out_of_cache_in_the_seventh_turn(
    measured: list[CalibrationRow],
) -> None:
    """Not asked for, but a proof of the rules: decode 28 ms in turns 7 and 8, 17 in 9, as measured."""
    gaps = [one for one in measured if one.name.endswith("ms/token")]
    assert len(gaps) == 10
    assert all(abs(one.error) <= 0.15 for one in gaps)


def test_a_cache_cut_to_700_blocks_preempts_and_stalls_users_for_seconds() -> None:
    """No row of it is known here; the rules must show it: all is served, but some wait in mid-answer."""
    rows = read_rows(H100 / "interval-0.csv")
    served = replay_open(Target(h100.PROFILE, {"num_gpu_blocks_override": 700}), rows)
    assert len(served) == 100
    assert max(one.stall_s for one in served) > 2
    assert sum(one.stall_s > 1 for one in served) >= 5
    plain = replay_open(Target(h100.PROFILE, {}), rows)
    assert max(one.stall_s for one in plain) < 0.3


def test_a_replay_sends_what_was_recorded() -> None:
    rows = [row for row in read_rows(H100 / "chat-history-10x128.csv") if int(row.group) < 3]
    served = replay_conversations(Target(h100.PROFILE, {}), rows, history=True)
    assert sorted(one.tokens for one in served) == sorted(row.tokens for row in rows)
    assert {one.key // 1000 for one in served} == {0, 1, 2}


def test_nelder_mead_finds_a_valley() -> None:
    x, y = nelder_mead(lambda p: (p[0] - 3) ** 2 + 10 * (p[1] + 1) ** 2, [1.0, 0.0], evaluations=200)
    assert (x, y) == pytest.approx((3.0, -1.0), abs=0.01)


def test_a_table_marks_misses_and_unseen() -> None:
    lines = list(
        table(
            [CalibrationRow("a", "b", 100.0, 110.0, 0.05, fitted=False), CalibrationRow("c", "d", 2, 2, 0.1)],
            "said",
        )
    )
    assert lines[1].split() == ["a", "b", "100.00", "110.00", "+10.0%", "5%", "unseen", "miss"]
    assert lines[2].split()[-1] == "10%"


def test_the_command_prints_both_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one draw, made already, where all draws of the search are not asked for."""
    if not LONG:
        monkeypatch.setattr(article, "figures", lambda server, *_, **__: drawn(server))
    assert calibration.main(["--no-search"]) == 0
    printed = capsys.readouterr().out
    assert "vllm-0.1.2 every 0.25 s" in printed
    assert "tgi-0.9.3 every 0.05 s" in printed
    assert "unseen" in printed
