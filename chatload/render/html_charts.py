"""The charts of report.html: each answers the question it is called by, for one run or for several overlaid."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis import pictures, series
from chatload.analysis.quantiles import interval_ranks, percentile
from chatload.analysis.run_names import distinct_names
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s, first_byte_ms, ttft_ms
from chatload.model.stalls import DEFAULT_RULE
from chatload.render.axis import Axis, fitting, from_zero
from chatload.render.blocks import Block, Figure
from chatload.render.svg import Chart
from chatload.render.text_table import seconds
from chatload.store.journal import Run

LOOKS = 7
LONGEST_NAME = 40


def names(runs: Sequence[Run]) -> list[str]:
    """What the legend calls each run."""
    return distinct_names(runs, LONGEST_NAME)


def ttft(runs: Sequence[Run], limits_ms: Sequence[tuple[str, float]] = ()) -> Figure:
    """Share of turns answered within x; for one run, the first byte beside it."""
    curves = []
    for i, (run, name) in enumerate(zip(runs, names(runs), strict=True)):
        failed = sum(turn.failed for turn in run.turns)
        curves.append(
            (f"s{i % LOOKS}", name if len(runs) > 1 else "TTFT", series.good_values(run, ttft_ms), failed)
        )
        if len(runs) == 1:
            curves.append(
                ("s1", "first byte (JMeter’s “Latency”)", series.good_values(run, first_byte_ms), failed)
            )
    drawn = [values for _, _, values, _ in curves if values]
    if not drawn:
        return Figure(pictures.TTFT, "No turn got a token.")
    ends = [end for values in drawn for end in (values[0], values[-1])]
    ends += [limit for _, limit in limits_ms]
    chart = Chart(
        fitting("time since the request was sent, ms", ends), Axis("turns answered by then, %", 0, 102)
    )
    keys = []
    for words, limit in limits_ms:
        chart.upright(limit, words)
    for look, name, values, failed in curves:
        points = series.cumulative(values, failed, 600)
        if points:
            chart.line([*points, (chart.x.high, points[-1][1])] if failed else points, look, steps=True)
        words = name
        if interval_ranks(len(values), 0.95) is not None:
            at = percentile(values, 0.95)
            chart.mark((at, 95.0 * len(values) / (len(values) + failed)), look, f"{name}: p95 {seconds(at)}")
            words += f": p95 {seconds(at)}"
        keys.append((f"line {look}", words + (f", {failed:,} failed" if failed else "")))
    note = "Dots: p95 of the good turns. Failed turns never answer: they keep a curve below 100 %."
    return Figure(pictures.TTFT, note, keys, [chart.html(keys_told(keys))])


def keys_told(keys: Sequence[tuple[str, str]]) -> str:
    """The legend as a sentence, for whoever cannot see the chart."""
    return "; ".join(words for _, words in keys)


def over_time(runs: Sequence[Run]) -> Figure:
    """TTFT, tokens/s, users and turns in flight over one time axis."""
    question = pictures.OVER_TIME
    length = max((series.length_s(run) for run in runs), default=0.0)
    if length <= 0:
        return Figure(question, "No turn in this run.")
    width = series.step_s(length)
    points = [series.ttft_points(run) for run in runs]
    x = Axis("time since the first turn was due, s", 0.0, length)
    waiting = Chart(x, fitting("TTFT, ms", [ms for found in points for _, ms in found]), 220)
    rates = [series.tokens_per_step(run, width) if run.turns else ([0.0], []) for run in runs]
    speed = Chart(
        x,
        from_zero(f"output tokens/s of all users, in steps of {width} s", [r for _, y in rates for r in y]),
        150,
    )
    users = [steps_s(run, *series.users_in(run)) for run in runs]
    flying = [steps_s(run, *series.in_flight(run)) for run in runs]
    load = Chart(x, from_zero("users in (line), turns in flight (filled)",
                              [n for found in (*users, *flying) for _, n in found]), 150)  # fmt: skip
    for i, run in enumerate(runs):
        look = f"{i % LOOKS}"
        waiting.dots(points[i], f"s{look}")
        waiting.line(list(zip(*series.medians(points[i], width), strict=True)), f"s{look}")
        waiting.crosses(series.failed_s(run), f"s{look}")
        edges, values = rates[i]
        speed.line(list(zip(edges, [*values, *values[-1:]], strict=False)), f"s{look}", steps=True)
        load.area(flying[i], f"f{look}", steps=True)
        load.line(flying[i], f"s{look} thin", steps=True)
        load.line(users[i], f"s{look}", steps=True)
    keys = [(f"line s{i % LOOKS}", name) for i, name in enumerate(names(runs))]
    told = f"TTFT of each turn over {length:.0f} s"
    note = (
        f"Dots: turns when they were sent; line: median of {width} s; crosses: failed turns. "
        "Tokens count when they arrived."
    )
    drawn = [
        waiting.html(told),
        speed.html("output tokens per second"),
        load.html("users and turns in flight"),
    ]
    return Figure(question, note, keys if len(runs) > 1 else (), drawn)


def steps_s(run: Run, instants: Sequence[int], levels: Sequence[int]) -> list[tuple[float, float]]:
    """The steps in s since the start; of many, the highest and lowest of each thousandth part of the run."""
    zero, length = series.start_ns(run), max(series.length_s(run), 1e-9)
    points = [((at - zero) / 1e9, float(level)) for at, level in zip(instants, levels, strict=True)]
    if len(points) <= 2000:
        return points
    parts: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        parts.setdefault(int(800 * point[0] / length), []).append(point)
    return [kept for part in parts.values()
            for kept in sorted({min(part, key=_level), max(part, key=_level), part[-1]})]  # fmt: skip


def _level(point: tuple[float, float]) -> float:
    return point[1]


def speeds(runs: Sequence[Run]) -> Figure:
    """tokens/s of the conversations, the slowest first: felt and decode; of several runs felt only."""
    question = pictures.SPEEDS
    if len(runs) == 1:
        sides = [
            ("felt, the wait included", series.speeds(runs[0], felt_tokens_per_s)),
            ("decode, after the first token", series.speeds(runs[0], decode_tokens_per_s)),
        ]
    else:
        named = zip(runs, names(runs), strict=True)
        sides = [(name, series.speeds(run, felt_tokens_per_s)) for run, name in named]
    tops = [speed.most for _, side in sides for speed in side]
    if not tops:
        return Figure(question, "No speed in this run.")
    chart = Chart(
        Axis("conversations, slowest to fastest, %", 0.0, 100.0), from_zero("tokens/s of one user", tops)
    )
    keys = []
    for i, (name, side) in enumerate(sides):
        if side:
            _speed(chart, side, f"{i % LOOKS}")
            keys.append((f"line s{i % LOOKS}", f"{name}: lowest {min(speed.least for speed in side):.3g}"))
    felt = "Felt speed, tokens / E2E: the wait counts. " if len(runs) > 1 else ""
    note = f"{felt}Line: mean of a conversation’s good turns; band: its slowest to its fastest turn."
    return Figure(question, note, keys, [chart.html(keys_told(keys))])


def _speed(chart: Chart, side: Sequence[series.Speed], look: str) -> None:
    keep = series.thinned(len(side), 400)
    drawn = [(100.0 * k / max(1, len(side) - 1), side[k]) for k in keep]
    chart.band([(at, speed.least, speed.most) for at, speed in drawn], f"f{look}")
    chart.line([(at, speed.mean) for at, speed in drawn], f"s{look}")


def gaps(runs: Sequence[Run]) -> Figure:
    """All event gaps of good turns: the usual ones as a histogram, the rare long ones as a tail."""
    question = pictures.GAPS
    counts = [series.gap_counts(run) for run in runs]
    ends = [end / 1000 for found in counts if found for end in (min(found), max(found))]
    if not ends:
        return Figure(question, "No reply had a second event.")
    low = min(series.low_end_ms(found) for found in counts if found)
    x = Axis(
        "gap between consecutive token-bearing events, ms", low / 1.1, max(*ends, 2 * low) * 1.1, log=True
    )
    drawn = [series.histogram(found) if found else ([], []) for found in counts]
    usual = Chart(x, from_zero("share of gaps, %", [s for _, shares in drawn for s in shares]), 170)
    least = min(100 / sum(found.values()) for found in counts if found)
    rare = Chart(x, Axis("gaps at least so long, %", least / 1.5, 130.0, log=True), 170)
    keys = []
    for i, (found, (edges, shares), name) in enumerate(zip(counts, drawn, names(runs), strict=True)):
        if not found:
            continue
        look = f"{i % LOOKS}"
        usual.area([*zip(edges, shares, strict=False), (edges[-1], 0.0)], f"f{look}", steps=True)
        usual.line([*zip(edges, shares, strict=False), (edges[-1], 0.0)], f"s{look} thin", steps=True)
        at_ms, longer = series.longer(found)
        keep = series.thinned(len(at_ms), 500)
        rare.line([(at_ms[k], longer[k]) for k in keep], f"s{look}")
        rare.mark((at_ms[-1], longer[-1]), f"s{look}", f"longest gap {seconds(at_ms[-1])}")
        keys.append((f"line s{look}", f"{name}: {sum(found.values()):,} gaps, longest {seconds(at_ms[-1])}"))
    limit_ms = DEFAULT_RULE.limit_s * 1000
    if max(ends) > limit_ms / 2:
        for chart in (usual, rare):
            chart.upright(limit_ms, "stall" if chart is rare else "")
    note = "An event may bring several tokens. Several may come in one read: gaps near 0 are drawn on the left edge."
    return Figure(question, note, keys, [usual.html(keys_told(keys)), rare.html("share of longer gaps")])


def charts(runs: Sequence[Run], limits_ms: Sequence[tuple[str, float]]) -> list[Block]:
    """The charts that a report of one run and a comparison share, but for the swim-lanes."""
    return [ttft(runs, limits_ms), over_time(runs), speeds(runs), gaps(runs)]
