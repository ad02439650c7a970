"""Which turns of a run its figures are taken from, and the block of time of each, which their intervals come from."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TypeVar

from msgspec import structs

from chatload.analysis.block_interval import Blocks, blocks_of, too_short_words, turn_cycle_s
from chatload.analysis.window import Held, Window, all_users_in, whole_run
from chatload.loads.load_shape import Load
from chatload.model.summary import ALL_USERS_IN, WHILE_ARRIVING, WHOLE_RUN, Stretch
from chatload.options.run_options import ALL_IN
from chatload.store.journal import Run

PARTS = "the run has parts under different loads"
NO_STRETCH = "users of this load are not all in at once"
AnyHeld = TypeVar("AnyHeld", bound=Held)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Sample:
    """The turns, by their positions in the run, with the block of time of each.

    `note` says why it is not the stretch with all users in. `blocks` is None where it is too short for intervals, and
    `too_short` says how long it would have to be.
    """

    name: str
    window: Window | None
    index: Sequence[int]
    blocks: Blocks | None = None
    block: Sequence[int] = ()
    note: str = ""
    too_short: str = ""

    def of(self, turns: Sequence[AnyHeld]) -> list[AnyHeld]:
        """Its turns."""
        return [turns[i] for i in self.index]

    def values(
        self, turns: Sequence[AnyHeld], of: Callable[[AnyHeld], Value | None]
    ) -> tuple[list[Value], list[int]]:
        """(values, the block of each) of its turns; those without a value are left out."""
        return self.told([of(turns[i]) for i in self.index])

    def told(self, every: Sequence[Value | None]) -> tuple[list[Value], list[int]]:
        """(values, the block of each) of the values of each of its turns; None is left out."""
        blocks: Sequence[int] = self.block if self.blocks is not None else self.index
        found = [value for value in every if value is not None]
        if len(found) == len(every):
            return found, list(blocks)
        return found, [place for value, place in zip(every, blocks, strict=True) if value is not None]

    def where(self, turns: Sequence[AnyHeld], wanted: Callable[[AnyHeld], bool]) -> Sample:
        """Those of its turns."""
        kept = [wanted(turns[i]) for i in self.index]
        return replace(
            self, index=array("q", compress(self.index, kept)), block=list(compress(self.block, kept))
        )

    def stretch(self, turns: int) -> Stretch:
        """What is told of it; `turns` of it count."""
        seconds = self.window.seconds if self.window is not None else 0.0
        return Stretch(self.name, seconds, turns, self.note, self.too_short)


@dataclass(frozen=True, slots=True)
class Samples:
    """`figures`: what percentiles are taken from. `whole`: the whole run, for shares of failures.

    `all_in` is the time with all users in, however short; None where they never were.
    """

    figures: Sample
    whole: Sample
    all_in: Window | None = None


def asked_of(run: Run, window: str = "") -> str:
    """The window that is asked for: `window`, or the run's own where that is empty."""
    plan = run.manifest.plan
    return window or (plan.window if plan is not None else ALL_IN)


def asking(run: Run, window: str) -> Run:
    """The run as if that window had been asked for; itself where that is empty."""
    plan = run.manifest.plan
    if not window or plan is None:
        return run
    return replace(run, manifest=structs.replace(run.manifest, plan=structs.replace(plan, window=window)))


def figures_of(run: Run) -> Sample:
    """The turns that the percentiles of its report are taken from."""
    return samples(run.turns, run.manifest.load, asked_of(run)).figures


def samples(turns: Sequence[Held], load: Load | None = None, asked: str = ALL_IN) -> Samples:
    """The samples of a run: figures from the time when all users were in, where it is 5 turn cycles long or more.

    Otherwise, and for loads without such a stretch, they are the whole run's. `asked`: "all-in" or "whole".
    """
    if load is not None and (
        load.in_parts or load.follows_user_curve
    ):  # a mixture of loads has no intervals; its parts have
        parts = Sample(WHOLE_RUN, whole_run(turns), range(len(turns)), note=PARTS, too_short=PARTS)
        return Samples(parts, parts)
    cycle_s = turn_cycle_s(turns)
    grows = load is not None and load.grows
    window, name = _all_in(turns, load), ALL_USERS_IN
    if load is not None and load.arrive:
        window, name = _while_arriving(turns), WHILE_ARRIVING
    blocks = _blocks(window, cycle_s, grows)
    whole = _sample(WHOLE_RUN, turns, whole_run(turns), cycle_s, grows=grows)
    if asked == ALL_IN and window is not None and blocks is not None:
        figures = _sample(name, turns, window, cycle_s, grows=grows)
        if whole.blocks is not None:  # as many as the figures have: more would be shorter than was tried
            whole = _blocked(whole, turns, replace(whole.blocks, count=blocks.count, detrend=False))
        return Samples(figures, whole, window)
    note = ""
    if asked == ALL_IN:
        note = NO_STRETCH
        if window is not None and cycle_s is not None:
            short = too_short_words(window.from_ns, window.until_ns, cycle_s)
            note = f"the time {'with ' if name == ALL_USERS_IN else ''}{name} is {short}"
    return Samples(replace(whole, note=note), whole, window)


def side_by_side(turns: Sequence[Held], group: Callable[[int], str]) -> Sample:
    """Windows of one level of a search, judged together: the blocks of all stand side by side.

    `group(i)` is the window of the i-th turn. Windows too short for an interval are left out where others are not.
    """
    parts: dict[str, list[int]] = {}
    for i in range(len(turns)):
        parts.setdefault(group(i), []).append(i)
    index: list[int] = []
    block: list[int] = []
    count = 0
    too_short = ""
    for members in parts.values():
        held = [turns[i] for i in members]
        part = _sample("level", held, whole_run(held), turn_cycle_s(held))
        if part.blocks is None:
            too_short = part.too_short
            continue
        index += [members[i] for i in part.index]
        block += [count + one for one in part.block]
        count += part.blocks.count
    if not count:
        return Sample("level", None, range(len(turns)), too_short=too_short)
    return Sample("level", None, index, Blocks(0, 1, count), block)


def _all_in(turns: Sequence[Held], load: Load | None) -> Window | None:
    return all_users_in(turns, load.users) if load is not None and load.own_users else None


def _while_arriving(turns: Sequence[Held]) -> Window | None:
    """From the first due to the last user's first due."""
    first: dict[int, int] = {}
    for turn in turns:
        first[turn.user] = min(turn.due_ns, first.get(turn.user, turn.due_ns))
    window = Window(min(first.values()), max(first.values())) if first else None
    return window if window is not None and window.from_ns < window.until_ns else None


def _blocks(window: Window | None, cycle_s: float | None, grows: bool) -> Blocks | None:
    if window is None or cycle_s is None:
        return None
    return blocks_of(window.from_ns, window.until_ns, cycle_s, detrend=grows)


def _sample(
    name: str, turns: Sequence[Held], window: Window | None, cycle_s: float | None, *, grows: bool = False
) -> Sample:
    if window is None or cycle_s is None:
        return Sample(name, window, (), too_short="no turn was held")
    index = array(
        "q", (i for i, turn in enumerate(turns) if window.from_ns <= turn.due_ns <= window.until_ns)
    )
    blocks = _blocks(window, cycle_s, grows)
    if blocks is None:
        return Sample(
            name, window, index, too_short=too_short_words(window.from_ns, window.until_ns, cycle_s)
        )
    return _blocked(Sample(name, window, index), turns, blocks)


def _blocked(sample: Sample, turns: Sequence[Held], blocks: Blocks) -> Sample:
    return replace(sample, blocks=blocks, block=blocks.of_all(turns[i].due_ns for i in sample.index))
