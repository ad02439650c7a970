"""Runs beside each other: each headline number with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import OUTPUT
from chatload.analysis.summary import summarise
from chatload.model.metrics import metric
from chatload.model.summary import Summary
from chatload.render.text_table import number
from chatload.store.journal import Run
from plots.style import MUTED, Look, looks, nothing, tell, thousands

TITLE = "Which run serves its users better?"
NOTE = "Bars: 95 % intervals, from blocks of time. Speeds and times are of good turns only."
MORE, LESS = "more is better", "less is better"


@dataclass(frozen=True, slots=True)
class Figures:
    """One number of a run, with its interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


def _percentile(key: str, name: str) -> Callable[[Summary], Figures | None]:
    def of(summary: Summary) -> Figures | None:
        found = summary.metric(key)
        value = found.statistic(name)
        if value is None or name in found.too_small:
            return None
        low, high = found.interval_of(name) or (None, None)
        return Figures(value, low, high)

    return of


def _of_metric(key: str, name: str) -> tuple[str, str, Callable[[Summary], Figures | None]]:
    one = metric(key)
    return f"{one.label} {name} ({one.unit})", MORE if one.more_is_better else LESS, _percentile(key, name)


def _failed_share(summary: Summary) -> Figures | None:
    return Figures(100 * summary.failures / summary.turns) if summary.turns else None


def _system(summary: Summary) -> Figures | None:
    rates = summary.of_window
    return None if rates.tokens_per_s is None else Figures(rates.tokens_per_s, *(rates.tokens_interval or ()))


PANELS: tuple[tuple[str, str, Callable[[Summary], Figures | None]], ...] = (
    *(
        _of_metric(key, name)
        for key, name in (
            ("ttft_ms", "p50"),
            ("ttft_ms", "p95"),
            ("e2e_ms", "p95"),
            ("felt_tokens_per_s", "p50"),
            ("decode_tokens_per_s", "p50"),
            ("max_gap_ms", "p95"),
        )
    ),
    (f"{OUTPUT.title} ({OUTPUT.unit})", MORE, _system),
    ("failed turns (%)", LESS, _failed_share),
)
"""The panels: what, which way is good, and how to read it from a summary."""


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return len(runs) > 1


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a number, a row a run: the dot is the number, the bar its 95 % interval."""
    summaries, styles = [summarise(run) for run in runs], looks(runs)
    figure.set_size_inches(11, 3.4 + 0.5 * len(runs))
    panels = figure.subplots(2, 4).flat
    for axes, (words, better, of) in zip(panels, PANELS, strict=True):
        axes.set_title(words, fontsize=10)
        axes.set_xlabel(better, fontsize=9)
        _rows(axes, [of(summary) for summary in summaries], styles)
    first = figure.axes[0]
    for look in styles:
        first.plot([], [], markersize=8, label=look.name, **{**look.marked, "linestyle": "none"})


def _rows(axes: Axes, found: Sequence[Figures | None], styles: Sequence[Look]) -> None:
    axes.set_yticks([])
    axes.set_ylabel(" ")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(found) - 0.4, -0.75)
    top = max((one.high or one.value for one in found if one is not None), default=0.0)
    axes.set_xlim(0, top * 1.12 or 1.0)
    axes.locator_params(axis="x", nbins=4)
    thousands(axes.xaxis)
    if not any(found):
        nothing(axes, "n too small")
    for row, (one, look) in enumerate(zip(found, styles, strict=True)):
        if one is None:
            continue
        if one.low is not None and one.high is not None:
            (bar,) = axes.plot([one.low, one.high], [row, row], color=look.colour, linewidth=6, alpha=0.35)
            bar.set_solid_capstyle("butt")
        (mark,) = axes.plot([one.value], [row], markersize=8, clip_on=False, zorder=3, **look.marked)
        tell(mark, [f"{look.name}: {number(one.value)}"])
        right = one.value < 0.75 * (top or 1.0)
        anchor: dict[str, Any] = {
            "ha": "left" if right else "right",
            "va": "bottom",
            "fontsize": 9,
            "color": MUTED,
        }
        axes.annotate(
            number(one.value), (one.value, row), (0 if right else 2, 8), "data", "offset points", **anchor
        )
