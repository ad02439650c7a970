"""How all pictures look: colours a colour-blind reader tells apart, and never by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from chatload.analysis.quantiles import percentile
from chatload.analysis.quantities import COUNT, Quantity
from chatload.analysis.run_names import distinct_names
from chatload.analysis.series import thinned as thinned
from chatload.model.slo import Objective
from chatload.store.journal import Run

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, the two that differ most first."""

LINES = ("-", "--", "-.", ":", (0, (7, 2, 1, 2, 1, 2)), (0, (3, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HOLLOW = {"linestyle": "none", "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.6}
"""How figures of others are drawn beside a run."""

MUTED = "#555555"
PARTS = {
    "wait": "#e8a33d",
    "quiet": "#f6dcae",
    "stream": "#4a93c8",
    "stall": "#c4122f",
    "think": "#b9c2cb",
    "fail": "#333333",
    "late": "#8250df",
}
"""What a turn goes through (analysis/swim_lanes.py), by colour."""

SEQUENCE = ("#d3e3f0", "#f3c14e", "#e2711d", "#a3122f")
"""From usual to far too long."""

PAGE_COLOURS = {
    **{colour.lower(): f"--c{i}" for i, colour in enumerate(COLOURS)},
    **{colour: f"--{part}" for part, colour in PARTS.items()},
    **{colour: f"--q{i}" for i, colour in enumerate(SEQUENCE)},
    MUTED: "--soft",
    "#ffffff": "--bg",
}
"""The variable of report.css for a colour, light or dark; other colours are the same in both."""

WORDS = "_chatload_words"
"""The attribute of an artist that `tell` sets."""

SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlecolor": MUTED,
    "axes.labelcolor": "#222222",
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.borderaxespad": 0.0,
    "legend.borderpad": 0.1,
    "legend.labelspacing": 0.35,
    "legend.columnspacing": 2.5,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a server called $\frac{1}{0}$ must not stop a picture
    "svg.hashsalt": "chatload",  # the same run draws the same bytes
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one run is drawn, in every picture alike."""

    name: str
    colour: str
    dashes: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """The colour and dashes of its lines, as matplotlib's keywords."""
        return {"color": self.colour, "linestyle": self.dashes}

    @property
    def marked(self) -> dict[str, Any]:
        """The same, with its marker."""
        return {**self.line, "marker": self.marker}


def looks(runs: Sequence[Run]) -> list[Look]:
    """One look a run, in the order given. Names are safe to draw, whatever a server called itself."""
    return [look_of(name, place) for place, name in enumerate(distinct_names(runs, 36))]


def look_of(name: str, place: int) -> Look:
    """The look of the run, or group of runs, at a place."""
    safe = f" {name}" if name.startswith("_") else name  # matplotlib hides labels that begin so
    return Look(safe, COLOURS[place % len(COLOURS)], LINES[place % len(LINES)], MARKERS[place % len(MARKERS)])


TITLE_INCHES, LEGEND_INCHES, NOTE_INCHES, NOTE_LINE_INCHES = 0.46, 0.26, 0.3, 0.16
NOTE_CHARACTERS_AN_INCH = 13.5
LONG_LABEL = 44
LEAST_TICKS = 3
MOST_TICKS = {"x": 14, "y": 9}


def frame(figure: Figure, question: str, note: str) -> None:
    """From the top: the question, the legend of all axes, the picture, and a caption.

    Legend rows have their own room, so that no name, however long, ever covers data or words. Words within axes get a
    white edge, since curves may pass there (report.css has one of its own).
    """
    for text in (text for axes in figure.axes for text in axes.texts):
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    height = float(figure.get_figheight())
    handles, labels = legend_of(figure)
    columns = 1 if max(map(len, labels), default=0) > LONG_LABEL else 2
    top = TITLE_INCHES + LEGEND_INCHES * -(-len(labels) // columns)
    figure.text(0.01, 1 - 0.1 / height, question, va="top", fontsize=14, fontweight="bold", parse_math=False)
    lines = wrap(note, round(NOTE_CHARACTERS_AN_INCH * 0.98 * float(figure.get_figwidth())))
    words = "\n".join(lines)
    figure.text(0.01, 0.09 / height, words, va="bottom", fontsize=9, color=MUTED, parse_math=False)
    if labels:
        drawn = figure.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=(0.01, 1 - TITLE_INCHES / height),
            ncols=columns,
        )
        for text in drawn.get_texts():
            text.set_parse_math(False)
    bottom = (NOTE_INCHES + NOTE_LINE_INCHES * max(0, len(lines) - 1)) / height
    figure.set_layout_engine("constrained", rect=(0, bottom, 1, 1 - bottom - top / height))


def legend_of(figure: Figure) -> tuple[list[Any], list[str]]:
    """(handles, labels) of whatever has a label in any axes; of the same label, the first."""
    found = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    first = {words: handle for handle, words in reversed(found)}
    labels = list(dict.fromkeys(words for _, words in found))
    return [first[words] for words in labels], labels


def show(axes: Axes, quantity: Quantity, detail: str = "") -> None:
    """A panel's title and the unit of its y axis."""
    axes.set_title(f"{quantity.title} ({detail})" if detail else quantity.title)
    axes.set_ylabel(quantity.unit)
    if quantity.unit == COUNT:
        whole_ticks(axes.yaxis)


def tell(artist: Any, words: Sequence[str]) -> None:
    """What report.html says when somebody points at the shapes or markers of the artist, one text each."""
    setattr(artist, WORDS, words)


def limit_line(axes: Axes, at: float, words: str) -> None:
    """An upright line at a value of x, with its name along it."""
    axes.axvline(at, color=MUTED, linewidth=1.4, linestyle=(0, (5, 2)), zorder=1)
    style: dict[str, Any] = {"rotation": 90, "fontsize": 9, "color": MUTED, "va": "bottom"}
    axes.annotate(words, (at, 0.03), (4, 0), ("data", "axes fraction"), "offset points", **style)


def level_line(axes: Axes, at: float, words: str) -> None:
    """A level line at a value of y, with its name on it."""
    axes.axhline(at, color=MUTED, linewidth=1.4, linestyle=(0, (5, 2)), zorder=1)
    style: dict[str, Any] = {"fontsize": 9, "color": MUTED, "va": "bottom"}
    axes.annotate(words, (0.02, at), (0, 3), ("axes fraction", "data"), "offset points", **style)


def slos_on(runs: Sequence[Run], metric: str) -> list[Objective]:
    """The runs' SLOs on a percentile of a metric, each once."""
    plans = [run.manifest.plan for run in runs if run.manifest.plan is not None]
    asked = dict.fromkeys(one for plan in plans for one in plan.slo if one.metric == metric)
    return [one for one in asked if one.kind == "percentile"]


def nothing(axes: Axes, words: str) -> None:
    """Say in the middle of the axes that there is nothing to draw."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=13)


def whole_ticks(axis: Any) -> None:
    """Ticks of a linear axis of things that are counted: there is no half a user."""
    axis.set_major_locator(MaxNLocator(integer=True))


class _Ticks(LogLocator):
    """Those of a logarithmic axis; powers of ten alone where they would be too many, evenly spaced ones where there
    are fewer than three of them in sight."""

    most = MOST_TICKS["y"]

    def tick_values(self, vmin: float, vmax: float) -> Any:
        found = super().tick_values(vmin, vmax)
        seen = sum(vmin <= one <= vmax for one in found)
        if seen > self.most:
            return LogLocator(subs=(1.0,)).tick_values(vmin, vmax)
        if seen >= LEAST_TICKS:
            return found
        return [one for one in MaxNLocator(nbins=5).tick_values(vmin, vmax) if one > 0]


def log_axis(axis: Any, at: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """A logarithmic axis with ticks at 1, 2, 5 (or `at`) and plain numbers."""
    axis.axes.set_xscale("log") if axis.axis_name == "x" else axis.axes.set_yscale("log")
    ticks = _Ticks(subs=at)
    ticks.most = MOST_TICKS[axis.axis_name]
    axis.set_major_locator(ticks)
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_formatter(NullFormatter())


def one_scale(axis: Any, values: Sequence[float]) -> None:
    """From 0 on, or logarithmic where that would press most values together: see `far_apart`."""
    if far_apart(values):
        log_axis(axis)
    else:
        axis.axes.set_xlim(left=0) if axis.axis_name == "x" else axis.axes.set_ylim(bottom=0)
        thousands(axis)


def far_apart(values: Sequence[float]) -> bool:
    """Whether values span more than a factor of 50, or the largest is more than 5 times their p95."""
    if not values:
        return False
    return max(values) > min(50 * max(min(values), 0.01), 5 * max(percentile(sorted(values), 0.95), 0.01))


def thousands(axis: Any) -> None:
    """Ticks of a linear axis with a comma at the thousands."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def plain_number(value: float) -> str:
    """0.05, 0.2, 5, 12.5, 1,000: no powers of ten."""
    if value <= 0:
        return "0"
    return f"{value:,.9f}".rstrip("0").rstrip(".")
