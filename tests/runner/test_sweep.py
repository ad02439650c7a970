"""Fixed concurrency: each level holds exactly as many requests as it says."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from open_loop import most_in_flight, run

from chatload.analysis.sweep_levels import sweep_levels
from chatload.store.journal import read_run
from lab.simulated_server import simulated

pytestmark = pytest.mark.e2e
BEAT = ("--ttft-ms", "200", "--tokens-per-s", "200", "--answer-tokens", "30")


def test_levels_hold_what_they_say_one_after_another(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with simulated("fixed-rate", BEAT, tmp_path / "server") as server:
        code, turns = run(
            "batch_sweep", server.host, out, "--levels", "1,5,3", "--rounds", "3", "--answer-tokens", "30"
        )
    assert code in (0, 4)  # 4: a busy machine held the generator up
    assert all(turn["tokens"] == 30 for turn in turns)
    ended_ns, all_idle_ms, held = 0, [], {}
    for level in (1, 5, 3):
        part = [turn for turn in turns if turn["group"] == f"level {level}"]
        assert len(part) == 3 * level
        assert most_in_flight(part) == level
        assert min(turn["due_ns"] for turn in part) >= ended_ns
        ended_ns = max(turn["end_ns"] for turn in part)
        for slot in {turn["user"] for turn in part}:
            own = sorted((turn for turn in part if turn["user"] == slot), key=lambda turn: turn["turn"])
            idle_ms = [(b["sent_ns"] - a["end_ns"]) / 1e6 for a, b in pairwise(own)]
            assert [turn["turn"] for turn in own] == [1, 2, 3]
            all_idle_ms += idle_ms
        seconds = (max(turn["end_ns"] for turn in part) - min(turn["sent_ns"] for turn in part)) / 1e9
        held[level] = sum(turn["end_ns"] - turn["sent_ns"] for turn in part) / 1e9 / seconds
    assert 0 <= min(all_idle_ms) < 20, "a slot asks again at once; a busy machine may delay some"
    levels = sweep_levels(read_run(out))
    assert [level.in_flight for level in levels] == [1, 3, 5]
    for level in levels:
        assert level.good == level.turns == 3 * level.in_flight
        assert level.held == pytest.approx(held[level.in_flight], rel=0.3) and level.held <= level.in_flight
        assert level.tokens_per_s == pytest.approx(level.a_user * level.in_flight)


def test_a_failing_server_ends_the_sweep_and_fails_it(tmp_path: Path) -> None:
    with simulated("vllm", ("--fault", "503:1"), tmp_path / "server") as server:
        code, turns = run("batch_sweep", server.host, tmp_path / "run", "--levels", "1,2", "--rounds", "2")
    assert code == 1
    assert [turn["group"] for turn in turns].count("level 2") == 4
    assert len(turns) == 6
