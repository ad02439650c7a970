"""SLOs while the run goes on: the verdicts of the end, of the turns so far, for next to nothing."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from chatload.analysis.slo_verdict import verdicts_of
from chatload.live import slo_so_far as so_far
from chatload.live.live_run import LiveRun
from chatload.live.slo_so_far import SoFar
from chatload.loads.chat import ChatLoad
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
    load = ChatLoad(users=users, users_per_s=10.0, turns=turns, think_time_s=2.0)
    counting, heard = SoFar(ASKED, load), chat(users, turns, 7, middle_s)
    for one in heard:
        counting.add(one)
    rows = counting.state()["rows"]
    ends = verdicts_of(heard, ASKED, load)
    assert counting.verdicts() == ends
    assert [row["verdict"] for row in rows] == [one.verdict for one in ends]
    assert [row["turns"] for row in rows] == [one.turns for one in ends]
    assert [row["conversations"] for row in rows] == [one.conversations for one in ends]


def test_a_row_says_so_far_and_how_sure() -> None:
    counting = SoFar(ASKED)
    for one in chat(60, 10, 7):
        counting.add(one)
    rows = {row["slo"]: row for row in counting.state()["rows"]}
    assert rows["p95 ttft_ms <= 500"]["words"] in ("met so far", "missed so far")
    assert rows["p50 felt_tokens_per_s >= 20"]["sure"].split()[0] in ("surely", "unsure")
    assert " … " in rows["p50 felt_tokens_per_s >= 20"]["sure"]
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


def test_a_long_run_is_judged_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes at most a hundredth of a core, however many turns there are."""
    monkeypatch.setattr(so_far, "FRESH_NS", 0)
    clock = iter([0, 3 * 10**9, 200 * 10**9, 303 * 10**9, 304 * 10**9])  # it takes 3 s to judge
    monkeypatch.setattr(so_far, "now_ns", lambda: next(clock))
    counting = SoFar(ASKED[:1])
    counting.add(turn())
    first = counting.state()["rows"]
    counting.add(turn(1))
    assert counting.state()["rows"] is first, "197 s later"
    assert counting.state()["rows"] is not first, "300 s later"


def test_a_turn_costs_little_memory() -> None:
    counting = SoFar(ASKED)
    for one in chat(100, 60, 3):
        counting.add(one)
    kept = counting._answers
    arrays = [*kept._answers, kept._users, kept._dues, kept._ends, kept._conversation]
    assert sum(one.itemsize * len(one) for one in arrays) / len(kept) <= 8 * (len(ASKED) + 4)
