"""The answer of a capacity search in report.html: each SLO over the number of users, and the ladder as printed."""

from __future__ import annotations

from textwrap import dedent

from chatload.analysis import pictures
from chatload.analysis.capacity_levels import Curve, Level, curves, interval_of
from chatload.model.summary import Summary
from chatload.model.verdict import CapacityResult
from chatload.render.axis import Axis, from_zero
from chatload.render.blocks import Block, Figure, Printed, Section
from chatload.render.capacity_table import ladder, plain
from chatload.render.svg import Chart
from chatload.render.text_table import number
from chatload.store.journal import Run

TIMES_LIMIT = 3.0
"""How far a chart goes beyond an upper limit: overload has no bounds, and is not the question."""
HEIGHT_PX = 220
LOOKS = {"met": "s2", "undecided": "s4", "missed": "s1"}
"""The colour of a level's dot, by its verdict."""


def capacity(run: Run, summary: Summary) -> Section | None:
    """The levels of a run that looked for the limit."""
    told = [line for line in ladder(run.manifest) if line]
    if not told:
        return None
    drawn = curves(run.manifest)
    blocks: list[Block] = [Printed(dedent("\n".join(told[1:])))]
    if drawn:
        blocks.append(_figure(run, drawn))
    return Section(told[0], blocks, id="capacity")


def _figure(run: Run, drawn: list[Curve]) -> Figure:
    keys = [(f"box {look.replace('s', 'f')}", f"SLO {verdict}") for verdict, look in LOOKS.items()]
    note = (
        "Dots: each level’s value, its bar the 95 % interval. Shaded: 95 % interval of the answer. "
        "What touches the edge is beyond it, or open."
    )
    found = run.manifest.capacity or CapacityResult()
    charts = [chart(found, curve).html(_told(curve)) for curve in drawn]
    return Figure(pictures.CAPACITY, note, keys, charts)


def chart(found: CapacityResult, curve: Curve) -> Chart:
    """One SLO: its limit, its levels, the answer with its interval."""
    low, high = interval_of(found)
    most = max([level.users for level in curve.levels] + [high or 0])
    drawn = Chart(from_zero("chat users in conversation at once", [most]), _height(curve), HEIGHT_PX)
    top = drawn.y.high
    if low is not None and high is not None:
        drawn.box([(low, high, 0.0, top)], "area f0")
    worst = top if curve.objective.at_most else 0.0
    points = [(level.users, worst if level.value is None else level.value) for level in curve.levels]
    drawn.line(points, "s0")
    for level, point in zip(curve.levels, points, strict=True):
        bottom = (worst if level.value is None else 0.0) if level.low is None else level.low
        drawn.line(
            [(level.users, bottom), (level.users, top if level.high is None else level.high)], "s0 thin"
        )
        drawn.mark(point, LOOKS.get(level.verdict, "s0"), _words(level, curve.unit))
    drawn.level(curve.limit, curve.objective.words)
    if found.users is not None:
        drawn.upright(found.users, f"{found.users:,} users")
    return drawn


def _height(curve: Curve) -> Axis:
    words = f"{plain(curve.objective.metric)}, {curve.unit}"
    if curve.unit == "%":
        return Axis(words, 0.0, 102.0)
    values = [value for level in curve.levels for value in (level.value, level.high) if value is not None]
    axis = from_zero(words, [*values, curve.limit])
    beyond = TIMES_LIMIT * curve.limit
    return Axis(words, 0.0, beyond) if curve.objective.at_most and 0 < beyond < axis.high else axis


def _words(level: Level, unit: str) -> str:
    value = "endless" if level.value is None else f"{number(level.value)} {unit}"
    return f"{level.users:,} users: {value}, {level.verdict}, {level.turns:,} turns"


def _told(curve: Curve) -> str:
    """The chart as a sentence, for whoever cannot see it."""
    return f"{curve.objective.words}: " + "; ".join(_words(level, curve.unit) for level in curve.levels)
