"""TTFT by turn number and by prompt length: does a growing history, or a prefix cache, show?"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantiles import percentile
from chatload.analysis.quantities import TTFT
from chatload.model.metrics import ttft_ms
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.style import Look, looks, nothing, one_scale, thousands, whole_ticks

TITLE = "Do long conversations and long prompts wait longer?"
NOTE = "Line: median of the good turns there, of the whole run. Band: the middle half of them."
PARTS = 10
MOST_TURNS = 60


@dataclass(frozen=True, slots=True)
class Part:
    """TTFT in ms of some turns: median, quartiles, and where they stand on the x axis."""

    at: float
    low: float
    middle: float
    high: float
    n: int


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Median TTFT with its quartiles, by turn number and, where prompts differ in length, by that."""
    figure.set_size_inches(10, 5.2)
    unit = "tokens" if all(_told_tokens(run) for run in runs) else "characters"
    lengths = [parts_by_length(run, unit) for run in runs]
    several = len({part.at for parts in lengths for part in parts}) > 1
    panels = list(figure.subplots(1, 1 + several, sharey=True, squeeze=False)[0])
    for run, look, parts in zip(runs, looks(runs), lengths, strict=True):
        _line(panels[0], parts_by_turn(run), look, labelled=True)
        if several:
            _line(panels[1], parts, look)
    beyond = any(turn.turn > MOST_TURNS for run in runs for turn in run.turns)
    panels[0].set_xlabel(f"turn of the conversation ({f'the first {MOST_TURNS}' if beyond else 'number'})")
    whole_ticks(panels[0].xaxis)
    panels[0].set_xlim(left=0.5)
    for axes in panels[1:]:
        axes.set_xlabel(f"length of the prompt ({unit})")
        thousands(axes.xaxis)
    values = [value for axes in panels for line in axes.lines for value in line.get_ydata()]
    for axes in panels:
        axes.set_ylabel(TTFT.axis)
    if not values:
        nothing(panels[0], "no good turn in these runs")
    one_scale(panels[0].yaxis, values)


def parts_by_turn(run: Run) -> list[Part]:
    """One part a turn number, up to the 60th."""
    return _parts(run, lambda turn: float(turn.turn) if 1 <= turn.turn <= MOST_TURNS else None, None)


def parts_by_length(run: Run, unit: str) -> list[Part]:
    """Ten parts with about equally many turns each, by the prompt's length; fewer where lengths repeat."""
    return _parts(run, prompt_tokens if unit == "tokens" else prompt_characters, PARTS)


def prompt_tokens(turn: Turn) -> float | None:
    """The prompt's length as the server counted it."""
    return None if turn.prompt_tokens is None else float(turn.prompt_tokens)


def prompt_characters(turn: Turn) -> float | None:
    """The prompt's length in characters, history included."""
    return float(turn.prompt_characters) if turn.prompt_characters else None


def _told_tokens(run: Run) -> bool:
    return all(turn.prompt_tokens is not None for turn in run.turns if turn.ok)


def _parts(run: Run, place: Callable[[Turn], float | None], at_most: int | None) -> list[Part]:
    groups: dict[float, array[float]] = {}
    for turn in run.turns:
        if turn.ok and (at := place(turn)) is not None and (ms := ttft_ms(turn)) is not None:
            groups.setdefault(at, array("d")).append(ms)
    if at_most is None or len(groups) <= at_most:
        return [_part([at], groups[at]) for at in sorted(groups)]
    places, values = array("d"), array("d")
    for at in sorted(groups):
        places.extend([at] * len(groups[at]))
        values.extend(sorted(groups[at]))
    edges = [round(i * len(values) / at_most) for i in range(at_most + 1)]
    return [_part(places[low:high], values[low:high]) for low, high in pairwise(edges) if high > low]


def _part(places: Sequence[float], values: Iterable[float]) -> Part:
    """`places` are sorted upwards."""
    ordered = sorted(values)
    low, middle, high = (percentile(ordered, p) for p in (0.25, 0.5, 0.75))
    return Part(percentile(places, 0.5), low, middle, high, len(ordered))


def _line(axes: Axes, parts: Sequence[Part], look: Look, *, labelled: bool = False) -> None:
    places = [part.at for part in parts]
    label = look.name if labelled else None
    axes.plot(places, [part.middle for part in parts], markersize=5, label=label, **look.marked)
    low, high = [part.low for part in parts], [part.high for part in parts]
    axes.fill_between(places, low, high, color=look.colour, alpha=0.15, linewidth=0)
