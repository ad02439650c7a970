"""Pictures of open loops, of levels, of every reply, and of the first byte: tested on the data drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chatload.analysis.sweep_levels import sweep_levels
from chatload.model.metrics import felt_tokens_per_s
from chatload.model.turn import Turn
from chatload.render.turn_tables import sweep_table
from chatload.store.journal import Run, read_run
from plots import intervals, timeline
from plots.picture import drawn, write_picture
from plots.registry import PICTURES
from tests.changes import replace
from tests.long import size
from tests.runs_builder import HERE, MS, START_NS, Shape, good_turns, manifest_of, with_gap, write_run

SHAPE = Shape(users=6, turns=1)


def written(folder: Path, turns: Sequence[Turn], **changes: str) -> Run:
    return read_run(write_run(folder, manifest_of(SHAPE, list(turns), **changes), turns))


def moved(turn: Turn, due_ns: int) -> Turn:
    """The turn as it would have been, had it been due then."""
    by = due_ns - turn.due_ns
    names = (
        "due_ns",
        "sent_ns",
        "connected_ns",
        "headers_ns",
        "first_byte_ns",
        "first_event_ns",
        "first_token_ns",
        "first_answer_ns",
        "last_token_ns",
        "end_ns",
    )
    return replace(turn, **{name: at + by for name in names if (at := getattr(turn, name)) is not None})


def open_loop(folder: Path, apart_s: float, label: str) -> Run:
    turns = [moved(turn, START_NS + round(k * apart_s * 1e9)) for k, turn in enumerate(good_turns(SHAPE))]
    return written(folder, turns, label=label)


def sweep(folder: Path) -> Run:
    """Level 1: one turn; level 2: two at once."""
    first, *both = good_turns(SHAPE)[:3]
    turns = [
        replace(moved(first, START_NS), group="level 1"),
        *(replace(moved(turn, START_NS + 20_000 * MS), group="level 2") for turn in both),
    ]
    plan = {"users": 1, "levels": [2, 1, 2, 4], "rounds": 1}  # level 4 was never held
    return read_run(write_run(folder, manifest_of(SHAPE, turns, plan=plan), turns))


def test_intervals_are_told_by_the_due_times_one_line_a_name(tmp_path: Path) -> None:
    runs = [open_loop(tmp_path / f"{place}", apart, "a") for place, apart in enumerate((1.0, 0.25))]
    assert [intervals.interval_s(run) for run in runs] == [1.0, 0.25]
    rows = intervals.series(runs)["a"]
    speeds = [felt_tokens_per_s(turn) for turn in runs[1].turns]
    assert rows[0.25][1:] == (pytest.approx(sum(speeds) / 6), min(speeds))
    figure = drawn(PICTURES["intervals"], runs)
    assert [list(axes.lines[0].get_xdata()) for axes in figure.axes] == [[0.25, 1.0]] * 3
    assert list(figure.axes[0].lines[0].get_ydata()) == [row[0] for row in rows.values()]


def test_a_reference_is_drawn_hollow_beside_its_run(tmp_path: Path) -> None:
    run = open_loop(tmp_path / "run", 0.5, "a")
    said = [
        intervals.Reference("a", {0.5: (1.0, 40.0, 20.0)}, "a, reference"),
        intervals.Reference("b", {0.5: (9.0, 9.0, 9.0)}, "b, reference"),
    ]
    figure = drawn(PICTURES["intervals"].having(references=said), [run])
    assert [list(axes.lines[1].get_ydata()) for axes in figure.axes] == [[1.0], [40.0], [20.0]]
    assert all(len(axes.lines) == 2 for axes in figure.axes)


def test_levels_of_a_sweep_in_the_report_and_in_the_picture(tmp_path: Path) -> None:
    run = sweep(tmp_path / "run")
    one, two = sweep_levels(run)
    assert (one.in_flight, one.good, two.in_flight, two.good) == (1, 1, 2, 2)
    pair = [turn for turn in run.turns if turn.group == "level 2"]
    seconds = (max(turn.end_ns for turn in pair) - min(turn.due_ns for turn in pair)) / 1e9
    assert two.tokens_per_s == pytest.approx(sum(turn.tokens or 0 for turn in pair) / seconds)
    assert two.a_user == pytest.approx(two.tokens_per_s / 2)
    assert one.held <= 1 and 1 < two.held <= 2
    assert "in flight" in sweep_table(run)[1].rows[0]
    assert sweep_table(read_run(HERE / "vllm")) == []
    total, each = drawn(PICTURES["throughput_levels"], [run]).axes
    assert list(total.lines[0].get_ydata()) == [one.tokens_per_s, two.tokens_per_s]
    assert list(each.lines[0].get_ydata()) == [one.a_user, two.a_user]


def test_a_reply_s_line_waits_reads_and_stands_still() -> None:
    turn = with_gap(moved(good_turns(SHAPE)[0], START_NS), 3, 5_000_000)
    (wait,), (read,), (stall,) = timeline.stretches(turn, START_NS)
    assert wait[0] == 0 and wait[1] == read[0]
    assert stall[1] - stall[0] == pytest.approx(5.0)
    assert stall[0] == pytest.approx(read[0] + sum(turn.gaps_us[:3]) / 1e6)
    assert timeline.stretches(replace(turn, first_token_ns=None, last_token_ns=None), START_NS)[1:] == (
        [],
        [],
    )


def test_first_byte_and_first_token_are_two_curves() -> None:
    figure = drawn(PICTURES["first_byte"], [read_run(HERE / "vllm")])
    byte, token = figure.axes[0].lines
    assert max(byte.get_xdata()) < min(token.get_xdata()) + 1000
    assert max(byte.get_ydata()) == max(token.get_ydata()) == 100


@pytest.mark.parametrize(
    "picture",
    size(["intervals", "throughput_levels", "timeline", "first_byte"], ["intervals", "timeline"]),
)
def test_runs_with_nothing_to_draw_say_so(picture: str, tmp_path: Path) -> None:
    """Runs that have nothing for it are drawn (test_plots.py draws all five together); the emptiest as a file, too."""
    for name in size(("vllm", "troubled"), ()):
        assert drawn(PICTURES[picture], [read_run(HERE / name)]).axes
    write_picture(PICTURES[picture], [read_run(HERE / "unreachable")], tmp_path / "unreachable.png", dpi=50)
    assert (tmp_path / "unreachable.png").stat().st_size > 1000
