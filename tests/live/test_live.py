"""The live sums against the turns they were made of, and points that stand where things happened."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.quantiles import percentile
from chatload.live.live_run import MOST_ROWS, LiveRun
from chatload.live.locust_page import tab_columns, tab_rows
from chatload.live.run_timeline import COLUMNS, MOST_INTERVALS, Timeline
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import metric

sys.path.insert(0, str(Path(__file__).parent))
from turns import S, failed, turn

from tests.changes import replace


def heard(*turns: Any) -> LiveRun:
    live = LiveRun()
    live.begin("run", 0)
    for one in turns:
        live.on_line(one)
    return live


def points(live: LiveRun, since: int = 0) -> dict[int, dict[str, Any]]:
    state = live.state(since)
    return {values[0]: dict(zip(state["columns"], values, strict=True)) for values in state["points"]}


def test_counts_are_exact_and_quantiles_within_one_percent() -> None:
    draw = random.Random(3)
    turns = [turn(user, 1 + user % 3, user * 0.05, draw.lognormvariate(-2, 1)) for user in range(500)]
    state = heard(*turns, failed("http_5xx"), failed("connect"), failed("connect")).state(0)
    totals = state["totals"]
    assert (totals["turns"], totals["failed"], totals["tokens"]) == (503, 3, 500 * 11)
    assert state["failures"] == {"connect": 2, "http_5xx": 1}
    ordered = sorted(metric("ttft_ms").value(one) or 0 for one in turns)
    for name, p in (("ttft_ms_p50", 0.5), ("ttft_ms_p95", 0.95), ("ttft_ms_p99", 0.99)):
        assert totals[name] == pytest.approx(percentile(ordered, p), rel=0.01)


def test_sums_are_the_same_however_often_somebody_looks() -> None:
    draw = random.Random(5)
    turns = [turn(user, 1 + user % 3, user * 0.05, draw.lognormvariate(-2, 1)) for user in range(100)]
    turns[7:7] = [failed("http_5xx")]
    once, often = heard(*turns), heard()
    for place, one in enumerate(turns):
        often.on_line(one)
        if place % 7 == 0:
            assert often.state(0)["totals"]["turns"] == place + 1, (
                "those that wait are counted before they are told"
            )
            often.table("chat")
    assert often.table("chat") == once.table("chat")
    assert often.state(0)["totals"] == once.state(0)["totals"]
    often.on_line(turns[0])
    often.reset()
    assert often.state(0)["totals"]["turns"] == 0, "a reset forgets those that wait"


def test_tokens_of_replies_that_still_stream_are_told_too() -> None:
    totals = heard(HealthLine(at_ns=0, seconds=1.0, reads=40), turn(reads=5)).state(0)["totals"]
    assert totals["arriving_tokens_per_s"] == pytest.approx(40 * 11 / 5)
    assert totals["mean_tokens_per_s"] == pytest.approx(40 * 11 / 5)
    assert heard(turn()).state(0)["totals"]["arriving_tokens_per_s"] is None


RUNNING = [HealthLine(at_ns=at * S, seconds=1.0, reads=40) for at in (1, 2, 3)]


def test_tokens_of_replies_that_run_are_drawn_as_they_come_and_exactly_when_they_have_ended() -> None:
    """40 reads a second of a reply of 120 tokens in as many reads, from 0 to 3 s; of one that fails, none is left."""
    reply = turn(ttft_s=0.0, tokens=120, reads=120, gaps_us=(3_000_000 // 119,) * 119)
    live = heard(*RUNNING)
    assert [points(live)[at]["tokens_per_s"] for at in range(3)] == [40, 40, 40]
    live.on_line(reply)
    assert [points(live)[at]["tokens_per_s"] for at in range(3)] == pytest.approx([40, 40, 40], rel=0.001)
    live.on_line(HealthLine(at_ns=4 * S, seconds=1.0, reads=50))
    assert points(live)[3]["tokens_per_s"] == 50
    double = heard(turn(3, sent_s=9, tokens=20, reads=10), *RUNNING)
    assert points(double)[1]["tokens_per_s"] == 80, "ended replies had two tokens in a read"
    broken = replace(reply, ok=False, code="truncated", tokens=120)
    assert [points(heard(*RUNNING, broken))[at]["tokens_per_s"] for at in range(3)] == [0, 0, 0]


def test_first_tokens_of_replies_that_run_are_counted_once_and_not_of_failed_ones() -> None:
    begun = {f"{user}-1": 500.0 for user in range(6)}
    live = heard(HealthLine(at_ns=S // 2, begun=begun))
    assert (
        live.state(0)["totals"]["ttft_ms_p50"]
        == points(live)[0]["ttft_ms_p50"]
        == pytest.approx(500, rel=0.01)
    )
    live.on_line(turn(0, sent_s=0.0, ttft_s=0.5))
    assert (
        live.state(0)["totals"]["ttft_ms_p50"]
        == points(live)[0]["ttft_ms_p50"]
        == pytest.approx(500, rel=0.01)
    )
    live.on_line(failed("truncated", 1))
    assert (live.state(0)["totals"]["ttft_ms_p50"], points(live)[0]["ttft_ms_p50"]) == ("n<6", None)


def test_gaps_of_a_reply_that_came_in_bursts_are_no_gaps_of_the_server() -> None:
    bursts = (10, 10, 10, 400_000) * 6
    gaps = (20_000,) * 400
    live = heard(turn(tokens=401, gaps_us=gaps), turn(1, tokens=25, events=25, coalesced=18, gaps_us=bursts))
    assert live.state(0)["totals"]["gap_ms_p99"] == pytest.approx(20.0, rel=0.01)


def test_what_we_cut_short_is_no_failure() -> None:
    totals = heard(turn(), failed("interrupted"), failed("abandoned")).state(0)["totals"]
    assert (totals["turns"], totals["failed"], totals["cut_short"]) == (1, 0, 2)


def test_rows_add_up_to_the_last_one() -> None:
    live = heard(
        *[turn(user, number) for user in range(4) for number in range(1, 4)], failed("connect", 1, 2)
    )
    rows = live.table("chat")
    assert [row["name"] for row in rows] == ["chat/turn 1", "chat/turn 2", "chat/turn 3", "chat/all"]
    assert [row["turns"] for row in rows] == [4, 5, 4, 13]
    assert [row["failed"] for row in rows] == [0, 1, 0, 1]


def test_one_part_alone_is_all_there_is() -> None:
    rows = heard(turn(0), turn(1)).table("arrivals")
    assert [(row["name"], row["turns"]) for row in rows] == [("arrivals/all", 2)]


def test_long_conversations_and_levels_keep_the_table_short_and_in_order() -> None:
    live = heard(*[turn(0, number) for number in range(1, 100)])
    rows = live.table("chat")
    assert len(rows) == MOST_ROWS + 1
    assert rows[-2]["turns"] == 99 - MOST_ROWS + 1
    levels = heard(*[turn(0, 1, group=f"level {n}") for n in (2, 16, 4)]).table("sweep")
    assert [row["name"] for row in levels] == [
        "sweep/level 2",
        "sweep/level 16",
        "sweep/level 4",
        "sweep/all",
    ]


def test_the_tab_sorts_by_name_as_it_stands_and_has_no_holes() -> None:
    live = heard(*[turn(0, number) for number in range(1, 13)], failed("connect", 0, 13))
    rows = tab_rows(live.table("chat"))
    assert rows == sorted(rows, key=lambda row: row["name"])
    assert [row["part"] for row in rows][9:11] == ["chat/turn\u00a010", "chat/turn\u00a011"]
    assert rows[12]["ttft_ms_p50"] == "–"
    assert all(column["key"] in row for column in tab_columns() for row in rows)


def test_each_number_stands_where_it_happened() -> None:
    """A reply from 1.5 s to 4.5 s: TTFT at its first token, tokens while they came, speed at its end."""
    long = turn(sent_s=1.0, ttft_s=0.5, tokens=301, gaps_us=(10_000,) * 300)
    found = points(heard(long, failed("connect", sent_s=2.2)))
    assert found[1]["ttft_ms_max"] == pytest.approx(500, rel=0.01)
    assert [round(found[at]["tokens_per_s"]) for at in (1, 2, 3, 4)] == [50, 100, 100, 50]
    assert sum(point["tokens_per_s"] for point in found.values()) == pytest.approx(301, rel=0.001)
    assert found[4]["felt_tokens_per_s_min"] == pytest.approx(301 / 3.5, rel=0.01)
    assert found[2]["failed"] == {"connect": 1}
    assert found[4]["turns"] == 1


def test_a_percentile_is_shown_only_of_turns_enough_for_it() -> None:
    for n, of_interval, in_table in (
        (5, (None, None), ("n<6", "n<72")), (6, (True, None), (True, "n<72")), (71, (True, None), (True, "n<72")),
        (72, (True, True), (True, True)),
    ):  # fmt: skip
        live = heard(*(turn(user, sent_s=1.0, ttft_s=0.5) for user in range(n)))
        point, row = points(live)[1], live.table("chat")[-1]
        for key, drawn, shown in zip(("ttft_ms_p50", "ttft_ms_p95"), of_interval, in_table, strict=True):
            assert point[key] == (drawn and pytest.approx(500, rel=0.01)), (n, key)
            assert row[key] == (shown if isinstance(shown, str) else pytest.approx(500, rel=0.01)), (n, key)


def test_a_stall_stands_where_the_silence_ended() -> None:
    stalled = turn(tokens=5, gaps_us=(20_000, 2_500_000, 20_000, 20_000))
    found = points(heard(stalled))
    assert {at: point["stalls"] for at, point in found.items() if point["stalls"]} == {2: 1}
    assert heard(stalled).state(0)["totals"]["longest_stall_ms"] == 2500


def test_only_what_changed_is_told_again() -> None:
    live = heard(turn(sent_s=0), turn(sent_s=5))
    first = live.state(0)
    assert [values[0] for values in first["points"]] == [0, 5]
    assert live.state(first["revision"])["points"] == []
    live.on_line(turn(1, sent_s=5))
    assert [values[0] for values in live.state(first["revision"])["points"]] == [5]


def test_a_long_run_gets_wider_intervals_and_loses_nothing() -> None:
    timeline = Timeline(0)
    total = 0
    for second in range(5000):
        stalled = second % 10 == 0
        one = turn(
            second, sent_s=second, **({"tokens": 3, "gaps_us": (20_000, 2_500_000)} if stalled else {})
        )
        timeline.add(one, [2500.0] if stalled else [])
        total += one.tokens or 0
    drawn = list(timeline.points(0))
    assert timeline.width_s == 16
    assert len(drawn) <= MOST_INTERVALS
    at = {name: place for place, name in enumerate(COLUMNS)}
    assert sum(values[at["turns"]] for values in drawn) == 5000
    assert sum(values[at["stalls"]] for values in drawn) == 500
    assert sum(values[at["tokens_per_s"]] for values in drawn) * timeline.width_s == pytest.approx(
        total, rel=0.001
    )


def test_an_instant_far_off_does_not_take_all_memory() -> None:
    timeline = Timeline(0)
    timeline.add(turn(sent_s=10**9), [])
    timeline.add(turn(sent_s=-50), [])
    assert len(list(timeline.points(0))) <= 3


def test_users_add_up_over_workers_and_a_silent_one_is_gone() -> None:
    live = LiveRun()
    live.begin("run", 0)

    def health(worker: str, at_s: float, users: int, lag: float) -> None:
        live.on_line(
            HealthLine(
                worker=worker,
                at_ns=round(at_s * S),
                seconds=1.0,
                users=users,
                in_flight=1,
                hub_lag_p99_ms=lag,
                hub_lag_max_ms=lag,
                cpu_percent=5.0,
            )
        )

    health("a", 0.1, 3, 1.0)
    health("b", 0.2, 4, 9.0)
    health("a", 9.0, 3, 1.0)
    found = points(live)
    assert (found[0]["users"], found[0]["in_flight"], found[0]["lag_p99_ms"]) == (7, 2, 9.0)
    assert found[9]["users"] == 3


def test_a_reset_counts_anew_and_a_run_begins_clean() -> None:
    live = heard(turn())
    before = live.resets
    live.reset()
    assert live.state(0)["totals"]["turns"] == 0
    assert live.resets == before + 1
    live.on_line(turn())
    live.begin("next", 0)
    assert (live.table("chat"), live.state(0)["points"], live.resets) == ([], [], 0)


def test_a_spoiled_turn_is_marked_and_said_so() -> None:
    live = heard(turn(), turn(1, marks=("late_send",)))
    assert live.state(0)["totals"]["marked"] == "1 of 2"
    assert heard(turn()).state(0)["totals"]["marked"] == "none"


def test_the_live_page_costs_less_than_two_percent_of_a_core_at_a_hundred_users() -> None:
    """20 turns/s of 200 tokens (100 users with 2 s pauses and 3 s replies) and one page open, in processor time."""

    def a_second() -> float:
        began = time.process_time()
        for number in range(20):
            live.on_line(turn(number, sent_s=300.0, tokens=200))
        state = live.state(revision)
        live.table("chat")
        assert len(state["points"]) < 20
        return time.process_time() - began

    live = heard(*[turn(n % 100, 1 + n // 600, n / 20, tokens=50) for n in range(6000)])
    revision = live.state(0)["revision"]
    assert min(a_second() for _ in range(5)) < 0.02
