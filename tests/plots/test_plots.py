"""Pictures are tested on the data drawn: the artists' arrays, not pixels."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chatload.analysis import series
from chatload.analysis.quantities import OUTPUT, USERS, Quantity
from chatload.analysis.sample import asking, figures_of
from chatload.analysis.series import by_step, ttft_points
from chatload.analysis.summary import summarise
from chatload.model.metrics import felt_tokens_per_s, ttft_ms
from chatload.store.journal import Run, read_run
from plots import __main__ as plots_command
from plots.__main__ import fitting, main, write_plots
from plots.picture import Picture, drawn, write_picture
from plots.registry import PICTURES
from plots.style import COLOURS, log_axis, looks, plain_number, show, thinned
from tests.changes import replace
from tests.long import LONG, size
from tests.runs_builder import (
    HERE,
    MS,
    START_NS,
    Shape,
    good_turns,
    manifest_of,
    user_lines,
    write_run,
)

RAMPED = Shape(users=10, turns=20, users_per_s=1.0, think_s=0.5)
"""Its users come over 10 s and are then all in for some 18 s."""
ALL = ("vllm", "tgi", "troubled", "tiny", "unreachable")


@cache
def recorded(name: str) -> Run:
    return read_run(HERE / name)


def runs(*names: str) -> list[Run]:
    return [recorded(name) for name in names]


@cache
def figure_of(name: str, chosen: tuple[str, ...]) -> Figure:
    return drawn(PICTURES[name], runs(*chosen))


def legend_words(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def points(line: Any) -> tuple[list[float], list[float]]:
    return list(line.get_xdata()), list(line.get_ydata())


CHOSEN = size([("vllm",), ("vllm", "tgi"), ALL, ("unreachable",)], [ALL, ("unreachable",)])
A_PANEL_A_RUN = ("swim_lanes", "stall_map", "timeline", "first_token_parts")
"""Pictures that name a run above its panel, and draw the first three."""

NOT_OF_A_CHAT = ("throughput_levels", "intervals", "first_byte", "capacity_curve")


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("chosen", CHOSEN, ids="-".join)
def test_every_picture_asks_a_question(name: str, chosen: tuple[str, ...]) -> None:
    figure = figure_of(name, chosen)
    assert any(text.get_text().endswith("?") for text in figure.texts)
    assert all(axes.get_xlabel() for axes in figure.axes[-1:])


@pytest.mark.parametrize("name", size(list(PICTURES), ["server_metrics"]))
def test_a_long_caption_is_not_cut_and_has_room_of_its_own(name: str) -> None:
    simulated = "Simulated (vllm-v1@demo, no real machine; tgi-3@demo, no real machine)."
    picture = replace(PICTURES[name], note=f"{PICTURES[name].note} {simulated} {simulated}")
    figure = drawn(picture, runs("vllm", "tgi"))
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    extents = [text.get_window_extent() for text in figure.texts]
    assert max(one.x1 for one in extents) <= figure.bbox.width
    caption = min(extents, key=lambda one: one.y0)
    assert all(caption.y1 <= axes.get_tightbbox().y0 + 1 for axes in figure.axes)


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in NOT_OF_A_CHAT])
@pytest.mark.parametrize("chosen", CHOSEN, ids="-".join)
def test_every_axis_has_a_name_and_every_run_too(name: str, chosen: tuple[str, ...]) -> None:
    figure = figure_of(name, chosen)
    words = legend_words(figure)
    if name in A_PANEL_A_RUN:
        words = [axes.get_title(loc="left") for axes in figure.axes]
    else:
        assert all(axes.get_ylabel() for axes in figure.axes)
        assert any("(" in axes.get_xlabel() + axes.get_title(loc="left") for axes in figure.axes)
    for look in looks(runs(*chosen))[: 3 if name in A_PANEL_A_RUN else None]:
        assert any(look.name in word for word in words), look.name
    caption = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert ("The first 3 of 5 runs." in caption) == (name in A_PANEL_A_RUN and len(chosen) == 5)


def test_ttft_cdf_is_every_ttft_and_ends_where_failures_begin() -> None:
    chosen = runs("vllm", "troubled")
    figure = drawn(PICTURES["ttft_cdf"], chosen)
    curves = [points(line) for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    for run, (xs, ys), failed in zip(chosen, curves, (0, 11), strict=True):
        times = sorted(
            ms for turn in run.turns if turn.ok and (ms := ttft_ms(turn)) is not None
        )  # short: all of it
        assert xs == [times[0], *times]
        finished = len(times) + failed
        assert ys == pytest.approx([0, *(100 * (i + 1) / finished for i in range(len(times)))])
    assert curves[1][1][-1] == pytest.approx(100 * 88 / 99)
    assert [word.split(": ")[1] for word in legend_words(figure)] == [
        "p95 202 ms (whole run)",
        "p95 231 ms, 11 failed (whole run)",
    ]


def test_ttft_cdf_marks_p95_only_where_n_supports_it() -> None:
    figure = drawn(PICTURES["ttft_cdf"], runs("vllm", "tiny"))
    marks = [points(line) for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert marks == [([pytest.approx(summarise(runs("vllm")[0]).metric("ttft_ms").p95)], [95.0])]


def test_the_marked_p95_is_the_report_s_and_the_time_left_out_is_shaded(tmp_path: Path) -> None:
    """A ramp in which the server is empty and fast, and a time with all users in, slow: the report has the second."""
    turns = good_turns(RAMPED)
    slow_from_ns = max(turn.due_ns for turn in turns if turn.turn == 1)
    for i, turn in enumerate(turns):
        if turn.due_ns >= slow_from_ns and turn.first_token_ns:
            turns[i] = replace(turn, first_token_ns=turn.first_token_ns + 10**8)
    run = read_run(write_run(tmp_path / "run", manifest_of(RAMPED, turns), turns, user_lines(turns)))
    told = summarise(run)
    assert told.window.name == "all users in"
    axes = drawn(PICTURES["ttft_cdf"], [run]).axes[0]
    (mark,) = [points(line) for line in axes.lines if len(line.get_xdata()) == 1]
    whole = asking(run, "whole")
    assert mark[0] == [told.metric("ttft_ms").p95] != [summarise(whole).metric("ttft_ms").p95]
    assert "turns due with all users in" in legend_words(axes.figure)[0]
    (mark,) = [
        points(line)
        for line in drawn(PICTURES["ttft_cdf"], [whole]).axes[0].lines
        if len(line.get_xdata()) == 1
    ]
    assert mark[0] == [summarise(whole).metric("ttft_ms").p95]
    window = figures_of(run).window
    assert window is not None
    spans = [(one.get_x(), one.get_width()) for one in drawn(PICTURES["over_time"], [run]).axes[0].patches]
    start_ns = run.turns[0].due_ns
    assert spans[0] == pytest.approx((0, (window.from_ns - start_ns) / 1e9))
    assert spans[1][0] == pytest.approx((window.until_ns - start_ns) / 1e9)
    assert list(drawn(PICTURES["over_time"], [whole]).axes[0].patches) == []


def test_over_time_draws_each_turn_where_it_was_sent() -> None:
    run = runs("troubled")[0]
    figure = drawn(PICTURES["over_time"], [run])
    start_ns = run.turns[0].due_ns
    offsets = figure.axes[0].collections[0].get_offsets()
    expected = [
        ((turn.sent_ns - start_ns) / 1e9, ttft_ms(turn)) for turn in run.turns if turn.ok and turn.sent_ns
    ]
    assert np.asarray(offsets) == pytest.approx(np.array(expected))
    crosses = next(line for line in figure.axes[0].lines if line.get_marker() == "x")
    assert len(crosses.get_xdata()) == 11
    assert figure.axes[0].get_ylim()[1] > max(ttft for _, ttft in expected if ttft)


def test_over_time_draws_bands_where_dots_would_hide_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plots.over_time.MOST_DOTS", 50)
    run = runs("troubled")[0]
    axes = drawn(PICTURES["over_time"], [run]).axes[0]
    steps = by_step(ttft_points(run), 1)
    wide, middle, slowest = axes.collections
    assert slowest.get_offsets().tolist() == [pytest.approx([at_s, max(values)]) for at_s, values in steps]
    for band, low, high in ((wide, 5, 95), (middle, 25, 75)):
        ends = {tuple(point) for path in band.get_paths() for point in path.vertices.tolist()}
        for at_s, values in steps:
            for p in (low, high):
                assert any(point == pytest.approx((at_s, np.percentile(values, p))) for point in ends)
    assert "bands: middle 50 and 90 %" in axes.get_title("left")


def test_over_time_shows_the_slowest_turn_of_every_run() -> None:
    chosen = runs("vllm", "tgi")
    top = drawn(PICTURES["over_time"], chosen).axes[0].get_ylim()[1]
    assert top > max(ms for run in chosen for turn in run.turns if (ms := ttft_ms(turn)) is not None)


def test_tokens_per_step_loses_no_token() -> None:
    run = runs("vllm")[0]
    edges_s, rates = series.tokens_per_step(run, 1)
    drawn_tokens = sum(rate * width for rate, width in zip(rates, np.diff(edges_s), strict=True))
    assert drawn_tokens == pytest.approx(sum(turn.tokens or 0 for turn in run.turns))
    assert edges_s[:3] == [0, 1, 2]


def test_users_and_turns_in_flight() -> None:
    run = runs("vllm")[0]
    times, users = series.users_in(run)
    assert (max(users), users[-1]) == (20, 0)
    assert times[0] == START_NS
    times, flying = series.in_flight(run)
    probe = START_NS + 5000 * MS
    at_probe = flying[np.searchsorted(times, probe, side="right") - 1]
    assert at_probe == sum((turn.sent_ns or 0) <= probe < turn.end_ns for turn in run.turns)
    assert flying[-1] == 0


def test_of_many_steps_the_highest_and_lowest_are_kept() -> None:
    run = runs("vllm")[0]
    instants = [START_NS + i * MS for i in range(10_000)]
    levels = [5 for _ in instants]
    levels[3333], levels[7777], levels[-1] = 90, 1, 0
    times, kept = series.steps_s(run, instants, levels)
    assert len(times) == len(kept) < 2500
    assert (kept[times.index(3.333)], kept[times.index(7.777)]) == (90, 1)
    assert (times[-1], kept[-1]) == (9.999, 0)
    assert times == sorted(times)
    assert series.steps_s(run, instants[:3], [1, 2, 3]) == ([0.0, 0.001, 0.002], [1, 2, 3])


def test_medians_of_steps() -> None:
    found = series.medians([(0.1, 1), (0.2, 3), (0.9, 100), (2.75, 7)], 1)
    assert found == ([pytest.approx(0.4), 2.75], [3, 7]), (
        "at the points' own mean time: a lone one is on its dot"
    )
    assert [series.step_s(length) for length in (10, 120, 121, 10**6)] == [1, 1, 2, 3600]


def test_tokens_per_s_has_each_conversation_once() -> None:
    run = runs("vllm")[0]
    figure = drawn(PICTURES["tokens_per_s"], [run])
    shares, means = points(figure.axes[0].lines[0])
    by_user: dict[int, list[float]] = {}
    for turn in run.turns:
        by_user.setdefault(turn.user, []).append(felt_tokens_per_s(turn) or 0)
    assert means == pytest.approx(sorted(np.mean(speeds) for speeds in by_user.values()))
    assert (shares[0], shares[-1], len(shares)) == (0, 100, 20)
    lowest = min(speed.least for speed in series.speeds(run, felt_tokens_per_s))
    assert lowest == summarise(run).metric("felt_tokens_per_s").min


def test_gaps_are_all_drawn() -> None:
    run = runs("troubled")[0]
    counts = series.gap_counts(run)
    edges_ms, shares = series.histogram(counts)
    assert sum(shares) == pytest.approx(100)
    assert edges_ms[0] <= min(counts) / 1000
    assert edges_ms[-1] >= 2500
    gap_ms, longer = series.longer(counts)
    assert (longer[0], gap_ms[-1]) == (100, 2500)
    assert longer[-1] == pytest.approx(100 / sum(counts.values()))
    figure = drawn(PICTURES["gaps"], [run])
    assert points(figure.axes[1].lines[0]) == (gap_ms, longer)


def test_gaps_of_nothing_and_of_zero() -> None:
    assert sum(series.histogram(Counter({0: 3, 20_000: 1}))[1]) == pytest.approx(100)
    assert series.longer(Counter({0: 3, 20_000: 1})) == ([0.01, 20.0], [100.0, 25.0])


def test_a_run_whose_events_all_came_in_one_read_is_drawn_without_a_word(tmp_path: Path) -> None:
    turns = [replace(turn, gaps_us=(0, 0)) for turn in good_turns(RAMPED)[:3]]
    run = read_run(write_run(tmp_path / "run", manifest_of(RAMPED, turns), turns, user_lines(turns)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(PICTURES["gaps"], [run])


def test_gaps_of_one_read_are_told_and_do_not_squeeze_the_others(tmp_path: Path) -> None:
    turns = [replace(turn, gaps_us=(0, 0, 0, 20_000)) for turn in good_turns(RAMPED)]
    run = read_run(write_run(tmp_path / "run", manifest_of(RAMPED, turns), turns, user_lines(turns)))
    figure = drawn(PICTURES["gaps"], [run])
    assert legend_words(figure)[0].endswith("75 % are 0 (events of one read)")
    low, high = figure.axes[0].get_xlim()
    assert low < 20 < high < 2.2 * low * 1.44
    assert max(patch.get_data().values.max() for patch in figure.axes[0].patches) == pytest.approx(25)


def test_one_turn_far_faster_than_all_does_not_stretch_the_axis_of_speeds(tmp_path: Path) -> None:
    turns = good_turns(RAMPED)
    shown = {}
    for name, times in {"usual": 1, "far": 40}.items():
        gaps = tuple(gap // times for gap in turns[-1].gaps_us)
        last_ns = (turns[-1].first_token_ns or 0) + 1000 * sum(gaps)
        changed = [*turns[:-1], replace(turns[-1], gaps_us=gaps, last_token_ns=last_ns)]
        run = read_run(write_run(tmp_path / name, manifest_of(RAMPED, changed), changed, user_lines(changed)))
        figure = drawn(PICTURES["tokens_per_s"], [run])
        shown[name] = figure.axes[0].get_ylim()[1], legend_words(figure)[0]
    assert shown["far"][0] < 1.5 * shown["usual"][0]
    assert "beyond the axis" in shown["far"][1]
    assert "beyond the axis" not in shown["usual"][1]


def test_hostile_names_are_drawn_as_they_are() -> None:
    figure = figure_of("ttft_cdf", ("troubled",))
    word = legend_words(figure)[0]
    assert word.startswith(r"$\frac{1}{0}$ <script>")
    assert "\x1b" not in word
    assert "\u202e" not in word


def test_looks_differ_in_more_than_colour() -> None:
    chosen = looks(runs(*ALL))
    assert len({(str(look.line), look.marker) for look in chosen}) == len(ALL)
    assert [look.colour for look in chosen] == list(COLOURS[: len(ALL)])
    assert len({look.name for look in looks(runs("vllm", "tiny"))}) == 2  # both servers call themselves alike


def test_every_picture_that_fits_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a run with a hostile name, which is text there. Outside `make test-long` two are drawn, each 0.3 s."""
    real = write_picture

    def two_drawn(picture: Picture, runs: Sequence[Run], *paths: Path, dpi: int) -> None:
        if LONG or picture.name in ("swim_lanes", "ttft_cdf"):
            real(picture, runs, *paths, dpi=dpi)
        else:
            paths[0].write_text(f"<svg><!--{' ' * 5000}--></svg>", encoding="utf-8")

    monkeypatch.setattr(plots_command, "write_picture", two_drawn)
    out = tmp_path / "out"
    assert main([str(HERE / "troubled"), "--out", str(out), "--format", "svg"]) == 0
    written = capsys.readouterr().out.split()
    assert written == [str(out / f"{name}.svg") for name in fitting(runs("troubled"))]
    assert {"swim_lanes", "stall_map", "over_time"} <= {Path(path).stem for path in written}
    assert not {"server_metrics", "intervals", "timeline", "comparison"} & {
        Path(path).stem for path in written
    }
    assert all(Path(path).stat().st_size > 5000 for path in written)
    for path in written:
        assert not [element for element in ElementTree.parse(path).iter() if element.tag.endswith("script")]


def test_files_are_png_and_svg_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(HERE / "tiny"), "--out", str(tmp_path), "--only", "ttft_cdf"]) == 0
    written = [Path(path) for path in capsys.readouterr().out.split()]
    assert written == [tmp_path / "ttft_cdf.png", tmp_path / "ttft_cdf.svg"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert written[1].stat().st_size > 5000


def test_the_same_run_draws_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_plots(runs("tiny"), tmp_path / folder, ("svg",), ("ttft_cdf",))
    assert (tmp_path / "a" / "ttft_cdf.svg").read_bytes() == (tmp_path / "b" / "ttft_cdf.svg").read_bytes()


def test_one_run_is_drawn_into_its_folder(tmp_path: Path) -> None:
    folder = shutil.copytree(HERE / "tiny", tmp_path / "tiny")
    assert main([str(folder), "--format", "pdf", "--only", "ttft_cdf"]) == 0
    assert (Path(folder) / "plots" / "ttft_cdf.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "RUN"),
        (["nowhere"], "nowhere: not a run folder"),
        ([str(HERE / "tiny"), "--format", "gif"], "--format 'gif': must be some of png, svg, pdf"),
        ([str(HERE / "tiny"), "--only", "pie"], "--only 'pie'"),
        ([str(HERE / "tiny"), "--slo-ms", "-3"], "--slo-ms -3: must be more than 0"),
        ([str(HERE / "tiny"), str(HERE / "vllm")], "--out: name the folder"),
        ([str(HERE / "tiny"), "--out", str(HERE / "tiny" / "manifest.json")], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_helpers() -> None:
    assert [plain_number(value) for value in (0.02, 0.5, 5, 2000)] == ["0.02", "0.5", "5", "2,000"]
    assert thinned(3) == [0, 1, 2]
    assert len(thinned(10**6)) == 2000
    assert thinned(10**6)[-1] == 10**6 - 1


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(3.0, 8.0, 3), (11.0, 14.0, 3), (0.5, 4000.0, 3), (90.0, 110.0, 3)]
)
def test_a_logarithmic_axis_has_ticks_however_short_it_is(low: float, high: float, ticks: int) -> None:
    axes = Figure().subplots()
    axes.plot([low, high], [0, 1])
    log_axis(axes.xaxis, (1.0, 3.0))
    left, right = axes.get_xlim()
    inside = [at for at in axes.xaxis.get_majorticklocs() if left <= at <= right]
    assert len(inside) >= ticks
    words = [plain_number(at) for at in inside]
    assert len(set(words)) == len(words) and [
        float(word.replace(",", "")) for word in words
    ] == pytest.approx(inside)


@pytest.mark.parametrize(("quantity", "whole"), [(USERS, True), (OUTPUT, False)])
def test_axes_of_what_is_counted_have_whole_ticks(quantity: Quantity, whole: bool) -> None:
    axes = Figure().subplots()
    axes.plot([0, 1], [0, 2])
    show(axes, quantity)
    assert all(at == int(at) for at in axes.yaxis.get_majorticklocs()) == whole
