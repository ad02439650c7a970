"""SLOs while the run goes on: the verdicts of the end, of the turns so far, for next to nothing."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis import slo_counter as counts
from chatload.analysis.slo_verdict import verdicts_of
from chatload.live import slo_so_far as so_far
from chatload.live.live_run import LiveRun
from chatload.live.slo_so_far import SoFar
from chatload.model.slo import read_objectives
from chatload.model.turn import Turn
from tests.changes import replace

sys.path.insert(0, str(Path(__file__).parent))
from turns import failed, turn

ASKED, _ = read_objectives(
    "p95 ttft_ms <= 500; p50 felt_tokens_per_s >= 20; p90 longest_stall_ms <= 1500; stalled_share <= 3%; "
    "failed_share <= 6%; goodput >= 80%; conversation_goodput >= 40%; ttft_ms <= 800; max e2e_ms <= 60000"
)


def chat(users: int, turns: int, seed: int, middle_s: float = 0.2) -> list[Turn]:
    """Turns in the order they ended: some failed, some stalled, some were cut short by us."""
    draw = random.Random(seed)
    made = []
    for number in range(1, turns + 1):
        for user in range(users):
            chance = draw.random()
            if chance < 0.04:
                made.append(failed(draw.choice(["http_5xx", "interrupted"]), user, number))
                continue
            gaps = (20_000,) * 5 + ((2_500_000,) if chance > 0.98 else (20_000,)) + (20_000,) * 4
            made.append(
                turn(user, number, number * 3.0, middle_s * draw.lognormvariate(0, 0.5), gaps_us=gaps)
            )
    return made


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(so_far, "FRESH_NS", 0)


@pytest.mark.parametrize(
    ("users", "turns", "middle_s"), [(1, 1, 0.2), (8, 3, 0.2), (60, 10, 0.2), (60, 10, 0.5)]
)
def test_verdicts_are_those_the_report_would_give_now(users: int, turns: int, middle_s: float) -> None:
    counting, heard = SoFar(ASKED), chat(users, turns, 7, middle_s)
    for one in heard:
        counting.add(one)
    rows = counting.state()["rows"]
    ends = verdicts_of(heard, ASKED)
    assert [row["verdict"] for row in rows] == [one.verdict for one in ends]
    assert [row["turns"] for row in rows] == [one.turns for one in ends]
    for row, count, end in zip(rows, counting._counts, ends, strict=True):
        assert row["conversations"] == end.conversations
        if count.asked.kind == "percentile" and end.value is not None:
            assert count._quantile() == pytest.approx(end.value, rel=0.02)


def test_a_row_says_so_far_and_how_sure() -> None:
    counting = SoFar(ASKED)
    for one in chat(60, 10, 7):
        counting.add(one)
    rows = {row["slo"]: row for row in counting.state()["rows"]}
    assert rows["p95 ttft_ms <= 500"]["words"] == "undecided so far"
    assert rows["p95 ttft_ms <= 500"]["value"].endswith(" ms")
    assert "% within (" in rows["p95 ttft_ms <= 500"]["sure"]
    assert rows["goodput >= 80%"]["value"].endswith(" %")
    assert rows["ttft_ms <= 800"]["words"] == "part of goodput"
    assert rows["max e2e_ms <= 60000"]["value"] == "endless", "a turn failed"


def test_each_level_of_a_search_begins_anew() -> None:
    counting = SoFar(ASKED, by_part=True)
    for one in chat(8, 2, 1):
        counting.add(replace(one, group="8 users"))
    counting.add(turn(100, group="16 users"))
    state = counting.state()
    assert (state["of"], state["rows"][0]["turns"]) == ("16 users", 1)


def test_it_is_judged_every_few_seconds_and_only_if_something_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(so_far, "FRESH_NS", 10**12)
    counting = SoFar(ASKED)
    counting.add(turn())
    first = counting.state()["rows"]
    counting.add(turn(1))
    assert counting.state()["rows"] is first


def test_without_slos_there_is_nothing() -> None:
    live = LiveRun()
    live.begin("run", 0)
    live.on_line(turn())
    assert live.state(0)["slo"] == {"of": "", "rows": []}


def test_old_conversations_are_forgotten_but_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST_CONVERSATIONS", 10)
    counting = SoFar(ASKED[:1])
    for user in range(100):
        counting.add(turn(user))
    assert counting.state()["rows"][0]["conversations"] == 100
    assert len(counting._counts[0]._going) == 10


def test_it_costs_less_than_a_hundredth_of_a_core_at_a_hundred_users() -> None:
    """20 turns/s of 200 tokens, five SLOs, judged once in five seconds: processor time of these five seconds."""
    asked: Any = ASKED[:5]
    counting = SoFar(asked)
    for one in chat(100, 60, 3):
        counting.add(one)
    fresh = [turn(n % 100, 61 + n // 100, 300.0, tokens=200) for n in range(100)]

    def five_seconds() -> float:
        began = time.process_time()
        for one in fresh:
            counting.add(one)
        counting.state()
        return time.process_time() - began

    assert min(five_seconds() for _ in range(5)) < 0.05
