"""Runs beside each other: each headline number with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.summary import summarise
from chatload.model.summary import Summary
from chatload.render.text_table import number
from chatload.store.journal import Run
from plots.style import MUTED, Look, frame, looks, nothing, thousands

TITLE = "Which run serves its users better?"


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


def _failed_share(summary: Summary) -> Figures | None:
    return Figures(100 * summary.failures / summary.turns) if summary.turns else None


def _system(summary: Summary) -> Figures | None:
    rate = (summary.steady or summary.throughput).tokens_per_s
    return None if rate is None else Figures(rate)


PANELS: tuple[tuple[str, str, Callable[[Summary], Figures | None]], ...] = (
    ("TTFT p50 (ms)", "less is better", _percentile("ttft_ms", "p50")),
    ("TTFT p95 (ms)", "less is better", _percentile("ttft_ms", "p95")),
    ("E2E p95 (ms)", "less is better", _percentile("e2e_ms", "p95")),
    ("felt speed p50 (tokens/s)", "more is better", _percentile("felt_tokens_per_s", "p50")),
    ("decode speed p50 (tokens/s)", "more is better", _percentile("decode_tokens_per_s", "p50")),
    ("longest gap p95 (ms)", "less is better", _percentile("max_gap_ms", "p95")),
    ("output, all users in (tokens/s)", "more is better", _system),
    ("failed turns (%)", "less is better", _failed_share),
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
        axes.set_title(better, fontsize=9)
        axes.set_xlabel(words)
        _rows(axes, [of(summary) for summary in summaries], styles)
    first = figure.axes[0]
    for look in styles:
        first.plot(
            [], [], color=look.colour, marker=look.marker, linestyle="none", markersize=8, label=look.name
        )
    note = "Bars: 95 % intervals, turns taken as independent. Speeds and times are of good turns only."
    frame(figure, first, TITLE, note)


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
            axes.plot(
                [one.low, one.high],
                [row, row],
                color=look.colour,
                linewidth=6,
                alpha=0.35,
                solid_capstyle="butt",
            )
        axes.plot(
            [one.value], [row], color=look.colour, marker=look.marker, markersize=8, clip_on=False, zorder=3
        )
        right = one.value < 0.75 * (top or 1.0)
        axes.annotate(
            number(one.value), (one.value, row), xytext=(0 if right else 2, 8), textcoords="offset points", fontsize=9,
            color=MUTED, ha="left" if right else "right", va="bottom",
        )  # fmt: skip
