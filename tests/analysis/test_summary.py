"""summarise against sums made anew from the raw journal lines, with numpy, knowing nothing of `Turn`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatload.analysis.sample import samples
from chatload.analysis.summary import summarise
from chatload.analysis.throughput import token_arrivals, tokens_by_step, tokens_inside, whole_window
from chatload.analysis.window import Window
from chatload.model.summary import Connections
from chatload.model.turn import Turn
from chatload.render.run_verdict import verdict_of_turns
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import HERE, MS, START_NS, TINY, Shape, good_turns, manifest_of, user_lines, write_run

RUNS = ("vllm", "tgi", "tiny", "steady", "troubled", "unreachable")


def raw_lines(folder: Path) -> list[dict[str, Any]]:
    """All journal lines that are JSON, turns once."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for path in sorted(folder.glob("journal-*.jsonl")):
        for raw in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(raw)
            except json.JSONDecodeError:
                continue
            key = line["turn_id"] if line["kind"] == "turn" else raw
            if key not in seen:
                seen.add(key)
                found.append(line)
    return found


def naive_values(turn: dict[str, Any]) -> dict[str, float]:
    """The metrics of one journal line, in plain arithmetic."""
    n, first = turn["tokens"], turn.get("first_event_tokens", 1)
    decode_s = (turn["last_token_ns"] - turn["first_token_ns"]) / 1e9
    e2e_s = (turn["last_token_ns"] - turn["sent_ns"]) / 1e9
    return {
        "ttft_ms": (turn["first_token_ns"] - turn["sent_ns"]) / 1e6,
        "first_byte_ms": (turn["first_byte_ns"] - turn["sent_ns"]) / 1e6,
        "e2e_ms": e2e_s * 1e3,
        "tpot_ms": decode_s * 1e3 / (n - first),
        "decode_tokens_per_s": (n - first) / decode_s,
        "felt_tokens_per_s": n / e2e_s,
        "max_gap_ms": max(turn["gaps_us"]) / 1e3,
        "ttft_from_due_ms": (turn["first_token_ns"] - turn["due_ns"]) / 1e6,
        "late_ms": (turn["sent_ns"] - turn["due_ns"]) / 1e6,
        "whole_ms": (turn["end_ns"] - turn["sent_ns"]) / 1e6,
    }


@pytest.mark.parametrize("name", RUNS)
def test_against_naive_sums(name: str) -> None:
    turns = [line for line in raw_lines(HERE / name) if line["kind"] == "turn"]
    good = [turn for turn in turns if turn["ok"]]
    failed = [turn for turn in turns if not turn["ok"] and turn["code"] != "interrupted"]
    found = summarise(read_run(HERE / name))
    assert found.turns == len(good) + len(failed)
    assert found.succeeded == len(good)
    assert found.failed == Counter(turn["code"] for turn in failed)
    assert found.interrupted == len(turns) - len(good) - len(failed)
    assert found.tokens == sum(turn["tokens"] for turn in good)
    values = [naive_values(turn) for turn in good]
    for key in values[0] if values else ():
        numbers, told = np.array([value[key] for value in values]), found.of_whole_run(key)
        assert told.n == len(numbers)
        assert told.mean == pytest.approx(numbers.mean())
        assert (told.min, told.max) == pytest.approx((numbers.min(), numbers.max()))
        for p in (50, 90, 95, 99):
            assert told.statistic(f"p{p}") == pytest.approx(np.percentile(numbers, p)), (key, p)
    gaps = np.array([gap for turn in good for gap in turn["gaps_us"]]) / 1000
    if len(gaps):
        assert found.of_whole_run("gap_ms").n == len(gaps)
        assert found.of_whole_run("gap_ms").p99 == pytest.approx(np.percentile(gaps, 99))
    if turns:
        span_s = (max(turn["end_ns"] for turn in turns) - min(turn["due_ns"] for turn in turns)) / 1e9
        assert found.throughput.seconds == pytest.approx(span_s)
        assert found.throughput.requests_per_s == pytest.approx(len(good) / span_s)
        assert found.throughput.tokens_per_s == pytest.approx(found.tokens / span_s)


@pytest.mark.parametrize("name", ["vllm", "tgi", "tiny", "troubled"])
def test_steady_against_naive_sums(name: str) -> None:
    """All users in; a token counts when its event's own moment is inside."""
    lines = raw_lines(HERE / name)
    users = [line for line in lines if line["kind"] == "user"]
    from_ns = max(line["at_ns"] for line in users if line["event"] == "in")
    until_ns = min(line["at_ns"] for line in users if line["event"] == "out")
    ended, tokens = 0, 0.0
    for turn in lines:
        if turn["kind"] != "turn" or not turn["ok"]:
            continue
        ended += from_ns <= turn["end_ns"] <= until_ns
        first = turn.get("first_event_tokens", 1)
        each = (turn["tokens"] - first) / len(turn["gaps_us"])
        at_us = turn["first_token_ns"] / 1e3 + np.concatenate([[0], np.cumsum(turn["gaps_us"])])
        counts = np.array([first, *[each] * len(turn["gaps_us"])])
        tokens += counts[(at_us >= from_ns / 1e3) & (at_us <= until_ns / 1e3)].sum()
    found = summarise(read_run(HERE / name)).steady
    assert found is not None
    assert found.seconds == pytest.approx((until_ns - from_ns) / 1e9)
    assert (found.requests_per_s or 0.0) * found.seconds == pytest.approx(ended)
    assert (found.tokens_per_s or 0.0) * found.seconds == pytest.approx(tokens)


def run_of(tmp_path: Path, turns: list[Turn], shape: Shape = TINY, users: bool = True) -> Run:
    folder = write_run(tmp_path, manifest_of(shape, turns), turns, user_lines(turns) if users else ())
    return read_run(folder)


def all_in(run: Run) -> Window | None:
    return samples(run.turns, run.manifest.load).all_in


def test_all_users_are_in_from_the_last_first_due_to_the_first_last_end(tmp_path: Path) -> None:
    turns = good_turns(TINY)
    assert all_in(run_of(tmp_path, turns)) == Window(
        START_NS + 500 * MS, min(turns[2].end_ns, turns[5].end_ns)
    )


def test_no_steady_window_when_a_user_never_came_or_left_too_soon(tmp_path: Path) -> None:
    turns = good_turns(TINY)
    assert all_in(run_of(tmp_path / "a", [turn for turn in turns if turn.user == 0])) is None
    apart = [replace(turn, user=1, turn_id=f"x{turn.turn_id}", due_ns=turn.due_ns + 10**11,
                     end_ns=turn.end_ns + 10**11) for turn in turns if turn.user == 0]  # fmt: skip
    run = run_of(tmp_path / "b", [*[turn for turn in turns if turn.user == 0], *apart])
    assert all_in(run) is None
    assert summarise(run).steady is None


def test_conversations_need_every_planned_turn(tmp_path: Path) -> None:
    turns = good_turns(TINY)
    assert summarise(run_of(tmp_path / "a", turns)).conversations == 2
    turns[1] = replace(turns[1], ok=False, code="truncated")
    assert summarise(run_of(tmp_path / "b", turns)).conversations == 1


def test_a_turn_over_the_edge_counts_what_arrived_inside() -> None:
    """10 tokens at 100 ms each from 1,000 ms: of [1,250, 1,650] ms the four at 1,300 … 1,600 are inside."""
    turn = replace(
        good_turns(TINY)[0], due_ns=0, first_token_ns=1000 * MS, last_token_ns=1900 * MS, end_ns=1900 * MS,
        tokens=10, first_event_tokens=1, gaps_us=(100_000,) * 9,
    )  # fmt: skip
    assert tokens_inside(turn, Window(1250 * MS, 1650 * MS)) == 4
    assert tokens_inside(turn, Window(0, 1900 * MS)) == 10
    assert tokens_inside(turn, Window(2000 * MS, 3000 * MS)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tokens": 30, "first_event_tokens": 7},
        {"tokens": 12, "event_tokens": (0, 5, 3), "first_event_tokens": 4, "gaps_us": (1, 2, 3)},
        {"tokens": 5, "event_tokens": (0, 0), "first_event_tokens": 4, "gaps_us": (1, 2)},
        {"tokens": 6, "gaps_us": (), "first_event_tokens": 1},
        {"tokens": 9, "tail_tokens": 1},
        {"tokens": 3, "tail_tokens": 1, "gaps_us": ()},
    ],
)
def test_token_arrivals_add_up(changes: dict[str, Any]) -> None:
    turn = replace(good_turns(TINY)[0], **changes)
    assert sum(n for _, n in token_arrivals(turn)) == pytest.approx(turn.tokens)
    for width_ns in (7 * MS, 1_000_003, 10**9):
        steps: Counter[int] = Counter()
        for at_ns, n in token_arrivals(turn):
            steps[(at_ns - START_NS) // width_ns] += n  # type: ignore[assignment]
        found: Counter[int] = Counter()
        for step, n in tokens_by_step(turn, START_NS, width_ns):
            found[step] += n  # type: ignore[assignment]
        assert {step: n for step, n in found.items() if n} == pytest.approx(dict(steps))


def test_itl_only_where_every_reply_was_counted(tmp_path: Path) -> None:
    turns = [replace(turn, first_event_source="counted") for turn in good_turns(TINY)]
    turns[0] = replace(turns[0], gaps_us=(30_000, 40_000), event_tokens=(3, 0), tokens=4)
    turns[1:] = [replace(turn, gaps_us=(20_000,)) for turn in turns[1:]]
    itl = summarise(run_of(tmp_path / "a", turns)).metric("itl_ms")
    assert itl.n == 6  # an event without a token has no ITL
    assert (itl.min, itl.max) == (10, 20)
    turns[3] = replace(turns[3], first_event_source="share_of_text")
    assert summarise(run_of(tmp_path / "b", turns)).metrics["itl_ms"] is None


def test_stalls(tmp_path: Path) -> None:
    turns = good_turns(TINY)
    turns[0] = replace(turns[0], gaps_us=(20_000, 2_000_000, 20_000, 1_500_000))
    found = summarise(run_of(tmp_path, turns)).stalls
    assert (found.count, found.replies, found.longest_ms) == (2, 1, 2000)
    assert found.share == pytest.approx(1 / 6)


def test_failures_are_endless_beside_the_good(tmp_path: Path) -> None:
    turns = good_turns(Shape(users=10, turns=10, tokens=5))
    turns[:6] = [replace(turn, ok=False, code="http_429") for turn in turns[:6]]
    found = summarise(run_of(tmp_path, turns, Shape(users=10, turns=10)))
    told = found.with_failures["ttft_ms"]
    assert (told.n, told.failed, told.p95, told.p99) == (82, 5, None, None)
    assert (told.p90 or 0.0) > (found.metric("ttft_ms").p90 or 0.0)


def test_whole_window_of_nothing() -> None:
    assert whole_window(()) is None


def test_connections_marks_and_sources() -> None:
    found = summarise(read_run(HERE / "troubled"))
    assert found.connections == Connections(new=20, reused=80, retried=1)
    assert found.marks == {"late_send": 1}
    assert sum(found.token_sources.values()) == found.succeeded
    assert found.torn_lines == 2


def test_a_sweep_is_summed_up_by_its_levels(tmp_path: Path) -> None:
    turns = [replace(turn, group=f"level {turn.turn}") for turn in good_turns(TINY)]
    manifest = manifest_of(TINY, turns, plan={"users": 1, "levels": [2, 2, 2], "rounds": 1})
    found = summarise(read_run(write_run(tmp_path, manifest, turns)))
    assert list(found.groups) == ["level 1", "level 2", "level 3"]
    first = [turn for turn in turns if turn.turn == 1]
    part = found.groups["level 1"]
    length_s = (max(turn.end_ns for turn in first) - min(turn.due_ns for turn in first)) / 1e9
    assert part.throughput.tokens_per_s == pytest.approx(sum(turn.tokens or 0 for turn in first) / length_s)
    assert (part.succeeded, part.metrics["ttft_ms"].n, found.planned_turns) == (2, 2, 6)
    assert found.conversations is None
    assert found.steady is None


@pytest.mark.parametrize(
    ("plan", "turns"),
    [({"users": 3, "turns": 4}, 12), ({"users": 1, "requests": 100, "trace": ""}, 100),
     ({"users": 1, "requests": 100, "trace": "t.csv"}, None), ({}, None)],
)  # fmt: skip
def test_planned_turns_of_each_load(tmp_path: Path, plan: dict[str, Any], turns: int | None) -> None:
    run = read_run(write_run(tmp_path, manifest_of(TINY, [], plan=plan), []))
    assert summarise(run).planned_turns == turns


@pytest.mark.parametrize(
    ("ended", "after_s", "planned"),
    [("interrupted", 60.2, None), ("interrupted", 20.0, 12), ("done", 60.2, 12)],
)
def test_a_run_that_time_ended_planned_no_number_of_turns(
    tmp_path: Path, ended: str, after_s: float, planned: int | None
) -> None:
    turns = good_turns(TINY)
    manifest = manifest_of(TINY, turns, plan={"users": 3, "turns": 4})
    manifest |= {
        "run_time_s": 60,
        "ended": ended,
        "started_ns": START_NS,
        "ended_ns": START_NS + round(after_s * 1e9),
    }
    run = read_run(write_run(tmp_path, manifest, turns))
    found = summarise(run)
    assert found.planned_turns == planned
    by_time = planned is None
    assert any("ended by --run-time, after 60 s" in words for words in found.warnings) == by_time
    assert any("never held" in words for words in found.warnings) != by_time
    planned_words = f"held good ({planned} were planned)" if planned else "good"
    assert verdict_of_turns(found).startswith(f"{len(turns)} of {len(turns)} turns {planned_words};")
