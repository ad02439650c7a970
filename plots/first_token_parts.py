"""Where the time until the first token went, as stacked parts over load: levels of a search or sweep, else time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.first_token import NAMES, Load, over_load
from chatload.analysis.quantities import TTFT
from chatload.store.journal import Run
from plots.style import COLOURS, looks, nothing, tell, thousands, whole_ticks

TITLE = "Where does the first token’s time go?"
NOTE = (
    "Each stack is the mean TTFT of the good turns that ended there; queue and prefill by the server’s own /metrics. "
    "Dashes: when the response headers had come. Hatched: the server counted other requests too."
)
SECTION = "first_token"
MOST_RUNS = 3
COLOUR = dict(
    zip(
        NAMES,
        (COLOURS[5], "#b9c2cb", COLOURS[1], COLOURS[3], COLOURS[0], COLOURS[2], "#b9c2cb", COLOURS[4]),
        strict=True,
    )
)
"""The colour of each part; what is left has a grey one."""


def fits(runs: Sequence[Run]) -> bool:
    """Whether a server told any of it, at two loads or more."""
    return any(run.server and len(_told(over_load(run)[1])) > 1 for run in runs)


def _told(loads: Sequence[Load]) -> list[Load]:
    return [one for one in loads if any(part.by.startswith("server") for part in one.time.parts)]


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel for each of the first runs."""
    panel_count = len(runs[:MOST_RUNS])
    figure.set_size_inches(9, max(4.8, 3.4 * panel_count + 1.2))
    panels = figure.subplots(panel_count, 1, squeeze=False)[:, 0]
    for axes, run, look in zip(panels, runs, looks(runs), strict=False):
        words, loads = over_load(run)
        _stacks(axes, loads)
        axes.set_title(look.name, loc="left")
        axes.set_xlabel(words)
        axes.set_ylabel(TTFT.axis)
        thousands(axes.yaxis)
        if not words.endswith("(s)"):
            whole_ticks(axes.xaxis)
        if not loads:
            nothing(axes, "nothing was read of the server while turns ended")


def _stacks(axes: Axes, loads: Sequence[Load]) -> None:
    width = 0.8 * min((later.at - earlier.at for earlier, later in pairwise(loads)), default=1.0)
    for name in NAMES:
        here = [(one, ms) for one in loads if (ms := one.time.part(name)) is not None]
        if not here:
            continue
        bottoms = [_below(one, name) if ms > 0 else 0.0 for one, ms in here]
        bars = axes.bar(
            [one.at for one, _ in here],
            [ms for _, ms in here],
            width,
            bottoms,
            color=COLOUR[name],
            label=name,
            edgecolor="white",
            linewidth=0.5,
        )
        for bar, (one, _) in zip(bars, here, strict=True):
            if one.time.doubt:
                bar.set_hatch("//")
        tell(
            bars,
            [
                f"{name}: {ms:,.1f} ms of {one.time.ttft_ms:,.1f}, {one.time.turns:,} turns"
                for one, ms in here
            ],
        )
    headers = [(one.at, one.time.headers_ms) for one in loads if one.time.headers_ms is not None]
    if headers:
        axes.hlines(
            [ms for _, ms in headers],
            [at - width / 2 for at, _ in headers],
            [at + width / 2 for at, _ in headers],
            color=COLOURS[6],
            linewidth=1.2,
            linestyle="--",
            label="response headers",
        )
    axes.axhline(0, color="#888888", linewidth=0.8)


def _below(one: Load, name: str) -> float:
    """The sum of the parts that are drawn below; negative ones hang from 0."""
    before = NAMES[: NAMES.index(name)]
    return sum(part.ms for part in one.time.parts if part.name in before and part.ms > 0)
