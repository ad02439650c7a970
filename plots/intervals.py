"""Open loops beside each other: what a server delivers when requests come more and more often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import FELT, Quantity
from chatload.analysis.series import length_s
from chatload.loads.open_loop import OpenLoopLoad
from chatload.model.metrics import felt_tokens_per_s
from chatload.store.journal import Run
from plots.style import HOLLOW, look_of, nothing, show

TITLE = "What is left for each user when requests come faster?"
NOTE = "Felt: tokens / E2E of a reply, the wait included. Hollow: reference figures."
PANELS = ((Quantity("good turns", "1/s"), ""), (FELT, "mean"), (FELT, "lowest"))

Row = tuple[float, float, float]
"""Good turns/s, mean and lowest felt tokens/s of one run: the article's three columns."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Somebody else's figures for the runs of that name: interval in s → row; `label` in the legend."""

    name: str
    rows: Mapping[float, Row]
    label: str


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return any(isinstance(run.manifest.load, OpenLoopLoad) and run.manifest.load.interval_s for run in runs)


def draw(runs: Sequence[Run], figure: Figure, references: Sequence[Reference] = ()) -> None:
    """Three panels over the mean time between arrivals, the rarest on the left; one line a run name."""
    figure.set_size_inches(10.5, 4.6)
    panels = figure.subplots(1, 3)
    known = {reference.name: reference for reference in references}
    for place, (name, rows) in enumerate(series(runs).items()):
        look = look_of(name, place)
        for column, axes in enumerate(panels):
            _line(axes, rows, column, look.marked, name)
            if name in known:
                _line(axes, known[name].rows, column, {**look.marked, **HOLLOW}, known[name].label)
    for axes, (quantity, detail) in zip(panels, PANELS, strict=True):
        show(axes, quantity, detail)
        axes.set_xlabel("time between arrivals (s)")
        axes.set_ylim(0, 1.08 * max((max(line.get_ydata()) for line in axes.lines), default=1.0))
        if axes.lines:
            places = sorted({x for line in axes.lines for x in line.get_xdata()})
            axes.set_xscale("log")
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.minorticks_off()
            axes.invert_xaxis()
        else:
            nothing(axes, "no open loop")


def series(runs: Sequence[Run]) -> dict[str, dict[float, Row]]:
    """{run name: {interval in s: row}}, in the order given; runs without two arrivals apart are left out."""
    found: dict[str, dict[float, Row]] = {}
    for run in runs:
        apart_s, row = interval_s(run), _row(run)
        if apart_s and row:
            found.setdefault(run.name, {})[apart_s] = row
    return {name: dict(sorted(rows.items())) for name, rows in found.items()}


def interval_s(run: Run) -> float:
    """Mean time between due times, in s, to three digits; 0 if all are due at once."""
    if len(run.turns) < 2:
        return 0.0
    whole_s = (run.turns[-1].due_ns - run.turns[0].due_ns) / 1e9
    return float(f"{whole_s / (len(run.turns) - 1):.3g}")


def _row(run: Run) -> Row | None:
    good = [turn for turn in run.turns if turn.ok]
    speeds = [speed for turn in good if (speed := felt_tokens_per_s(turn)) is not None]
    if not speeds:
        return None
    return len(good) / length_s(run), sum(speeds) / len(speeds), min(speeds)


def _line(axes: Axes, rows: Mapping[float, Row], column: int, style: Mapping[str, Any], name: str) -> None:
    axes.plot(list(rows), [row[column] for row in rows.values()], label=name, **style)
