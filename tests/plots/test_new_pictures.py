"""Swim-lanes, stall map, TTFT by turn, comparison, server metrics: what is drawn is what was measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatload.analysis.first_token import over_load
from chatload.analysis.summary import summarise
from chatload.analysis.swim_lanes import lanes
from chatload.model.metrics import ttft_ms
from chatload.model.slo import read_objectives
from chatload.store.journal import Run, read_run
from plots import stall_map, swim_lanes, ttft_by_turn, ttft_cdf
from plots.__main__ import fitting
from plots.picture import drawn
from plots.registry import PICTURES
from plots.report.figures import figure_of
from plots.style import far_apart
from tests.changes import replace
from tests.runs_builder import (
    HERE,
    MS,
    START_NS,
    Shape,
    as_failed,
    good_turns,
    manifest_of,
    user_lines,
    with_gap,
    write_run,
)

SHAPE = Shape(users=6, turns=4, think_s=2.0)


def made(folder: Path, turns: list[Any], more: list[dict[str, Any]] | None = None) -> Run:
    return read_run(write_run(folder, manifest_of(SHAPE, turns), turns, [*user_lines(turns), *(more or [])]))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Six users, four turns each; user 2's second turn stalls 3 s, user 3's first is refused."""
    turns = good_turns(SHAPE)
    at = next(i for i, turn in enumerate(turns) if (turn.user, turn.turn) == (2, 4))
    turns[at] = with_gap(turns[at], 5, 3_000_000)
    refused = next(i for i, turn in enumerate(turns) if (turn.user, turn.turn) == (3, 1))
    turns[refused] = as_failed(turns[refused], "http_429", "slow down", status=429)
    return made(tmp_path / "run", turns)


def test_each_user_is_a_row_in_the_order_they_came(run: Run) -> None:
    found = lanes(run)
    assert (found.rows, found.of, found.users, len(found.bars)) == (6, 6, True, 24)
    for bar in found.bars:
        assert bar.row == bar.turn.user
        assert bar.due_s == pytest.approx((bar.turn.due_ns - START_NS) / 1e9)
        assert bar.text_s - bar.sent_s == pytest.approx(
            (ttft_ms(bar.turn) or 1000 * (bar.end_s - bar.sent_s)) / 1000
        )


def test_swim_lanes_are_all_the_time_from_sent_to_end(run: Run) -> None:
    shapes = swim_lanes.rectangles(lanes(run))
    assert (len(shapes["stream"]), len(shapes["fail"]), len(shapes["stall"])) == (23, 1, 1)
    covered = sum(x1 - x0 for part in ("wait", "quiet", "stream", "fail") for x0, x1, _, _ in shapes[part])
    assert covered == pytest.approx(sum((turn.end_ns - (turn.sent_ns or 0)) / 1e9 for turn in run.turns))
    stall = shapes["stall"][0]
    assert stall[1] - stall[0] == pytest.approx(3.0)
    assert all(x1 - x0 == pytest.approx(2.0, abs=0.01) for x0, x1, y0, _ in shapes["think"] if int(y0) != 3)
    figure = drawn(PICTURES["swim_lanes"], [run])
    sizes = {one.get_label(): len(one.get_paths()) for one in figure.axes[0].collections}
    assert sizes.pop("_turns") == len(run.turns)
    assert {name.removeprefix("_"): n for name, n in sizes.items()} == {
        part: len(all_) for part, all_ in shapes.items() if all_
    }


def test_turns_that_overlap_share_rows_without_covering_each_other(tmp_path: Path) -> None:
    turns = [
        replace(turn, user=0, due_ns=START_NS + i * 50 * MS, sent_ns=START_NS + i * 50 * MS)
        for i, turn in enumerate(good_turns(SHAPE))
    ]
    turns = [replace(turn, end_ns=turn.due_ns + 500 * MS) for turn in turns]
    found = lanes(made(tmp_path / "run", turns))
    assert not found.users
    assert found.rows == 10
    by_row: dict[int, float] = {}
    for bar in found.bars:
        assert bar.due_s >= by_row.get(bar.row, 0.0)
        by_row[bar.row] = bar.end_s


def test_too_many_users_are_picked_evenly(tmp_path: Path) -> None:
    found = lanes(made(tmp_path / "run", good_turns(Shape(users=50, turns=1))), at_most=10)
    assert (found.rows, found.of) == (10, 50)
    users = [bar.turn.user for bar in found.bars]
    assert (users[0], users[-1], len(users)) == (0, 49, 10)


def test_the_stall_map_holds_the_longest_gap_of_each_user(run: Run) -> None:
    found = lanes(run)
    gaps = stall_map.longest_gaps_ms(run, found, 20.0)
    for user in range(6):
        longest = max(max(turn.gaps_us, default=0) for turn in run.turns if turn.user == user) / 1000
        assert np.nanmax(gaps[user]) == pytest.approx(longest)
    assert (gaps[2] == 3000).sum() == pytest.approx(3.0 / 20.0 * stall_map.STEPS, abs=2)
    figure = drawn(PICTURES["stall_map"], [run])
    axes = figure.axes[0]
    assert "1 stall, longest gap 3,000 ms" in axes.get_title(loc="left")
    usual, long = axes.collections
    assert (usual.get_label(), long.get_label()) == ("gap up to 100 ms", "over 2.00 s")
    coloured = sum(np.ptp(path.vertices[:, 0]) for one in (usual, long) for path in one.get_paths())
    assert coloured == pytest.approx(np.isfinite(gaps).sum() * 20.0 / stall_map.STEPS, rel=0.1)
    (only,) = long.get_paths()
    assert only.vertices[:, 1].mean() == pytest.approx(2.5, abs=0.3), "the row of user 2"
    assert np.ptp(only.vertices[:, 0]) == pytest.approx(3.0, abs=0.2)


def test_the_stall_map_tells_a_standstill_of_the_server_from_one_of_the_load_generator(
    tmp_path: Path,
) -> None:
    def shaded(lag_ms: float) -> list[tuple[float, float]]:
        turns = good_turns(Shape(users=3, turns=2))
        late = [
            {"kind": "health", "at_ns": START_NS + 2 * 10**9, "worker": "local", "hub_lag_max_ms": lag_ms}
        ]
        folder = write_run(tmp_path / f"{lag_ms}", manifest_of(Shape(), turns), turns, late)
        axes = drawn(PICTURES["stall_map"], [read_run(folder)]).axes[0]
        return [(one.get_x(), one.get_x() + one.get_width()) for one in axes.patches]

    assert shaded(400.0) == [(pytest.approx(1.0), pytest.approx(2.0))]
    assert shaded(99.0) == [], "no gap that it makes would stand out"


def test_one_outlier_and_failures_leave_the_axis_of_over_time_readable(tmp_path: Path) -> None:
    turns = good_turns(Shape(users=20, turns=5))
    first = turns[0].first_token_ns or 0
    late = {name: first + s * 10**9 for name, s in (("first_token", 60), ("last_token", 61), ("end", 61))}
    turns[0] = replace(turns[0], **{f"{name}_ns": at for name, at in late.items()})
    turns[1] = as_failed(turns[1], "connect", "refused")
    axes = drawn(PICTURES["over_time"], [made(tmp_path / "run", turns)]).axes[0]
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 1 < low < 100 < 60_000 < high
    assert sum(low <= at <= high for at in axes.yaxis.get_majorticklocs()) <= 10


def test_the_picture_of_speeds_has_the_lines_of_its_slos(run: Run) -> None:
    assert run.manifest.plan is not None
    asked, _ = read_objectives("p50 felt_tokens_per_s >= 30; p95 ttft_ms <= 500")
    plan = replace(run.manifest.plan, slo=asked)
    felt, decode = drawn(
        PICTURES["tokens_per_s"], [replace(run, manifest=replace(run.manifest, plan=plan))]
    ).axes
    assert [one.get_text() for one in felt.texts] == ["SLO p50 felt_tokens_per_s >= 30"]
    assert 30 in [line.get_ydata()[0] for line in felt.lines if len(line.get_ydata())]
    assert not decode.texts


def test_one_outlier_does_not_squeeze_the_distribution_and_is_told(tmp_path: Path) -> None:
    shape = Shape(users=60, turns=14)
    turns = good_turns(shape)
    plain = drawn(PICTURES["ttft_cdf"], [made(tmp_path / "plain", turns)]).axes[0]
    turns[7] = replace(turns[7], first_token_ns=turns[7].first_token_ns + 60 * 10**9)
    axes = drawn(PICTURES["ttft_cdf"], [made(tmp_path / "run", turns)]).axes[0]
    assert axes.get_xscale() == plain.get_xscale()
    assert axes.get_xlim()[1] < 2 * plain.get_xlim()[1]
    (words,) = {line.get_label() for line in axes.lines if "p95" in str(line.get_label())}
    assert re.search(r", 1 beyond this axis \(up to 60\.\d s\) \(turns due with all users in\)$", words)
    assert "beyond" not in str([line.get_label() for line in plain.lines])


def test_prompts_of_one_length_get_no_panel_by_length(tmp_path: Path) -> None:
    turns = good_turns(Shape(users=2, turns=3))
    assert len(drawn(PICTURES["ttft_by_turn"], [made(tmp_path / "one", turns)]).axes) == 1
    turns[0] = replace(turns[0], prompt_tokens=900)
    assert len(drawn(PICTURES["ttft_by_turn"], [made(tmp_path / "two", turns)]).axes) == 2


def test_colours_change_where_gaps_stand_out_from_the_usual_ones() -> None:
    assert stall_map.limits_ms([np.array([[20.0, np.nan, 22.0]])]) == (100.0, 500.0, 2000.0)
    assert stall_map.limits_ms([]) == (50.0, 200.0, 1000.0)
    assert len(stall_map.limits_ms([np.array([[1e9]])])) == 3


def test_one_slow_turn_does_not_press_the_others_together() -> None:
    assert not far_apart([100.0, 120.0, 300.0] * 20)
    assert far_apart([*([100.0, 120.0, 300.0] * 20), 5000.0])
    assert far_apart([1.0, 60.0])
    assert not far_apart([])


def test_ttft_by_turn_counts_each_turn_once(run: Run) -> None:
    parts = ttft_by_turn.parts_by_turn(run)
    assert [part.at for part in parts] == [1, 2, 3, 4]
    assert [part.n for part in parts] == [5, 6, 6, 6]
    first = sorted(ms for turn in run.turns if turn.turn == 1 and (ms := ttft_ms(turn)) is not None)
    assert parts[0].middle == pytest.approx(first[2])


def test_prompt_lengths_are_parted_evenly(tmp_path: Path) -> None:
    turns = [
        replace(turn, prompt_tokens=10 * i) for i, turn in enumerate(good_turns(Shape(users=10, turns=10)))
    ]
    parts = ttft_by_turn.parts_by_length(made(tmp_path / "run", turns), "tokens")
    assert [part.n for part in parts] == [10] * 10
    assert [part.at for part in parts] == sorted(part.at for part in parts)


def test_the_comparison_shows_the_summary_s_numbers_and_intervals() -> None:
    chosen = [read_run(HERE / name) for name in ("steady", "slower")]
    figure = drawn(PICTURES["comparison"], chosen)
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "TTFT p95 (ms)")
    for row, run in enumerate(chosen):
        found = summarise(run).metric("ttft_ms")
        bar, dot = [line for line in axes.lines if len(line.get_ydata()) and line.get_ydata()[0] == row]
        assert list(bar.get_xdata()) == list(found.interval["p95"])
        assert list(dot.get_xdata()) == [found.p95]


def server_lines() -> list[dict[str, Any]]:
    return [
        {
            "kind": "server",
            "at_ns": START_NS + i * 2 * 10**9,
            "worker": "local",
            "took_ms": 2.0,
            "running": 2 + i,
            "waiting": i,
            "kv_use": i / 10,
            "queued": i * 10,
            "queue_s": 3.0 * i,
        }
        for i in range(4)
    ]


def test_server_metrics_are_the_journal_s_lines(tmp_path: Path) -> None:
    run = made(tmp_path / "run", good_turns(SHAPE), server_lines())
    figure = drawn(PICTURES["server_metrics"], [run])
    running, waiting, kv_use, queue = (axes.lines[0] for axes in figure.axes)
    assert list(running.get_xdata()) == [2, 4, 6]  # the first reading is from before the first request
    assert list(running.get_ydata()) == [3, 4, 5]
    assert list(waiting.get_ydata()) == [1, 2, 3]
    assert list(kv_use.get_ydata()) == pytest.approx([10, 20, 30])
    assert list(queue.get_ydata()) == pytest.approx([300, 300])
    assert "server_metrics" in fitting([run])
    assert "server_metrics" not in fitting([read_run(HERE / "vllm")])


def test_parts_of_the_first_token_stack_up_to_the_mean(tmp_path: Path) -> None:
    turns = good_turns(SHAPE)
    ends = sorted(turn.end_ns for turn in turns)
    lines = []
    for i in range(6):
        at_ns = START_NS + i * 2 * 10**9
        done = sum(end <= at_ns for end in ends)
        lines.append(
            {
                "kind": "server",
                "at_ns": at_ns,
                "worker": "local",
                "queued": done,
                "queue_s": 0.04 * done,
                "prefills": done,
                "prefill_s": 0.01 * done,
            }
        )
    run = made(tmp_path / "run", turns, lines)
    assert "first_token_parts" in fitting([run])
    axes = drawn(PICTURES["first_token_parts"], [run]).axes[0]
    _, loads = over_load(run)
    assert len(loads) > 1
    bars = {container.get_label(): list(container) for container in axes.containers if len(container)}
    for at, one in enumerate(loads):
        assert bars["queue"][at].get_height() == pytest.approx(40.0)
        assert bars["prefill"][at].get_y() == pytest.approx(40.0)
        top = bars["the rest"][at].get_y() + bars["the rest"][at].get_height()
        assert top == pytest.approx(one.time.ttft_ms, abs=0.01)
    assert "response headers" in [
        words for _, words in figure_of(PICTURES["first_token_parts"], [run]).legend
    ]
    assert "first_token_parts" not in fitting([read_run(HERE / "vllm")])


def test_limits_are_lines_in_the_cdf() -> None:
    limits = [ttft_cdf.Limit("SLO 500 ms", 500.0), ttft_cdf.Limit("152", 152.0)]
    figure = drawn(PICTURES["ttft_cdf"].having(limits=limits), [read_run(HERE / "vllm")])
    upright = [line.get_xdata()[0] for line in figure.axes[0].lines if list(line.get_ydata()) == [0, 1]]
    assert upright == [500.0, 152.0]
    assert "SLO 500 ms" in [text.get_text() for text in figure.axes[0].texts]


def test_slos_on_ttft_are_lines_in_the_cdf(run: Run) -> None:
    asked, _ = read_objectives(["p95 ttft_ms <= 152", "p50 e2e_ms <= 9"])
    run.manifest.plan = replace(run.manifest.plan, slo=asked)
    axes = drawn(PICTURES["ttft_cdf"], [run]).axes[0]
    upright = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert upright == [152.0]
    assert [text.get_text() for text in axes.texts] == ["SLO p95 ttft_ms <= 152"]
    on_page = "".join(figure_of(PICTURES["ttft_cdf"], [run]).charts)
    assert ">SLO p95 ttft_ms &lt;= 152</text>" in on_page, "a text, not outlines that stretch with the curve"


def test_the_gallery_shows_every_picture_small() -> None:
    docs = HERE.parents[1] / "docs"
    page = (docs / "plots.md").read_text(encoding="utf-8")
    assert [name for name in PICTURES if f"`{name}`" not in page] == []
    shown = re.findall(r"\]\((pictures/plot-[a-z_]+\.png)\)", page)
    assert len(shown) >= 10
    for path in shown:
        assert (docs / path).stat().st_size < 150_000, path
