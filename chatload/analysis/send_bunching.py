"""How requests bunch: whether users send independently of one another, or in step.

Constant think times and equal answers bring users into step: they send together and wait for each other. TTFT is then
that of bursts, which independent users do not make, and a server seems to hold fewer of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from chatload.analysis.window import Window, all_users_in, whole_run
from chatload.model.metrics import ttft_ms
from chatload.model.summary import Bunching
from chatload.model.turn import Turn
from chatload.store.journal import Run

LEAST_BINS = 30
LEAST_TURNS = 30
"""Fewer bins or turns tell nothing of how sends scatter."""
LEAST_BIN_NS = 1_000_000
EACH_SIDE = 0.05
"""Crowded and uncrowded turns are compared where each are this share of all or more, and `LEAST_SIDE` turns."""
LEAST_SIDE = 10


IN_STEP = 1.5
"""Users send in step from this dispersion on, where chance alone does not explain it (`CHANCE`)."""
CHANCE = 4.0
"""Standard errors of the dispersion of independent sends: √(2 / bins)."""
MOVES = 1.1
"""Bunches move TTFT where crowded turns wait this much longer, or where there are no others to tell by."""


def moves_ttft(found: Bunching | None) -> bool:
    """True where users send in step and TTFT shows it, or cannot show that it does not."""
    if found is None or found.dispersion < max(IN_STEP, 1.0 + CHANCE * math.sqrt(2.0 / found.bins)):
        return False
    return found.slowdown is None or found.slowdown >= MOVES


def bunching(run: Run) -> Bunching | None:
    """How the sends of a run bunch, over the time in which its load was steady; None where that is too short."""
    return bunching_of(_stretches(run))


def bunching_of(stretches: Sequence[tuple[Sequence[Turn], Window]]) -> Bunching | None:
    """Index of dispersion of sends per bin of one median TTFT, and what it does to TTFT.

    Each stretch (turns, its window) is cut into K bins of w = the median TTFT of all good turns, with n_j sends in
    bin j and m = Σ n_j / K. dispersion = Σ Σ (n_j − m)² / Σ (K − 1) m, sums over stretches and bins: variance by mean,
    1 for users who send independently (Poisson), 0 for evenly spaced sends, g for groups of g at once. With m as the
    turn's own, a turn shares its bin with m + dispersion − 1 others on average, of independent users with m:
    `others` and `others_if_independent`.

    `slowdown` is the median TTFT of crowded turns by that of the others; crowded are those with more than 2 m other
    sends within w before or after theirs. None where either are too few, as in perfect step.
    """
    waits = [wait for turns, _ in stretches for _, wait in _waits(turns)]
    if not waits:
        return None
    width_ns = max(LEAST_BIN_NS, round(median(waits) * 1e6))
    squares = expected = weighted = 0.0
    bins = sends = 0
    crowded: list[float] = []
    alone: list[float] = []
    for turns, window in stretches:
        count = (window.until_ns - window.from_ns) // width_ns
        at = sorted(turn.sent_ns for turn in turns if turn.sent_ns is not None)
        inside = Counter((sent_ns - window.from_ns) // width_ns for sent_ns in at)
        filled = [n for place, n in inside.items() if 0 <= place < count]
        if count < 2 or not filled:
            continue
        mean = sum(filled) / count
        squares += sum(n * n for n in filled) - mean * sum(filled)
        expected += (count - 1) * mean
        weighted += mean * sum(filled)
        bins, sends = bins + count, sends + sum(filled)
        for sent_ns, wait in _waits(turns):
            near = bisect_right(at, sent_ns + width_ns) - bisect_left(at, sent_ns - width_ns) - 1
            (crowded if near > 2 * mean else alone).append(wait)
    if bins < LEAST_BINS or sends < LEAST_TURNS:
        return None
    dispersion, mean = squares / expected, weighted / sends
    least = max(LEAST_SIDE, EACH_SIDE * (len(crowded) + len(alone)))
    return Bunching(
        bin_ms=width_ns / 1e6,
        bins=bins,
        dispersion=dispersion,
        others=max(0.0, mean + dispersion - 1.0),
        others_if_independent=mean,
        slowdown=median(crowded) / median(alone) if min(len(crowded), len(alone)) >= least else None,
    )


def _waits(turns: Iterable[Turn]) -> Iterator[tuple[int, float]]:
    """(sent in ns, TTFT in ms) of the good turns."""
    for turn in turns:
        wait = ttft_ms(turn) if turn.ok else None
        if wait is not None and turn.sent_ns is not None:
            yield turn.sent_ns, wait


def _stretches(run: Run) -> list[tuple[Sequence[Turn], Window]]:
    """Where the load was steady: all users in; of a level the same, or its measured time; of an open loop the whole."""
    steady_s = None if run.manifest.load is None else run.manifest.load.steady_s
    parts: dict[str, list[Turn]] = {}
    for turn in run.turns:
        parts.setdefault(turn.group, []).append(turn)
    found: list[tuple[Sequence[Turn], Window]] = []
    for turns in parts.values():
        window = whole_run(turns) if steady_s is not None else all_users_in(turns)
        if steady_s is not None and window is not None and steady_s < math.inf:
            window = Window(window.until_ns - round(steady_s * 1e9), window.until_ns)
        if window is not None:
            found.append((window.turns(turns), window))
    return found
