"""Which turns figures are taken from, and when intervals can be had of them."""

from __future__ import annotations

import pytest

from chatload.analysis.block_interval import blocks_of, turn_cycle_s
from chatload.analysis.sample import NO_STRETCH, PARTS, samples, side_by_side
from chatload.analysis.window import all_users_in, whole_run
from chatload.loads.chat import ChatLoad
from chatload.loads.load_shape import Load
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.sweep import SweepLoad
from chatload.model.summary import ALL_USERS_IN, WHOLE_RUN
from chatload.model.turn import Turn
from chatload.options.run_options import WHOLE
from tests.runs_builder import Shape, good_turns

SHAPE = Shape(users=20, turns=12, tokens=8)


def load(**changes: object) -> ChatLoad:
    return ChatLoad(**{"users": 20, "users_per_s": 10.0, "turns": 12, "think_time_s": 2.0, **changes})  # type: ignore[arg-type]


@pytest.fixture
def turns() -> list[Turn]:
    return good_turns(SHAPE)


def test_figures_are_of_the_time_with_all_users_in(turns: list[Turn]) -> None:
    found = samples(turns, load())
    window = all_users_in(turns)
    assert window is not None
    assert (found.figures.name, found.figures.window, found.all_in) == (ALL_USERS_IN, window, window)
    assert found.figures.of(turns) == window.turns(turns)
    assert (found.figures.note, found.figures.too_short) == ("", "")
    assert found.figures.blocks == blocks_of(window.from_ns, window.until_ns, turn_cycle_s(turns) or 0.0)
    assert (found.whole.name, len(found.whole.index), found.whole.window) == (
        WHOLE_RUN,
        240,
        whole_run(turns),
    )


def test_the_whole_run_has_as_many_blocks_and_no_trend_taken_out(turns: list[Turn]) -> None:
    found = samples(turns, load(history=True))
    assert found.figures.blocks is not None and found.whole.blocks is not None
    assert found.figures.blocks.detrend, "contexts grow by design"
    assert (found.whole.blocks.count, found.whole.blocks.detrend) == (found.figures.blocks.count, False)
    assert not samples(turns, load()).figures.blocks.detrend  # type: ignore[union-attr]
    own = whole_run(turns)
    assert own is not None
    longer = blocks_of(own.from_ns, own.until_ns, turn_cycle_s(turns) or 0.0)
    assert longer is not None and longer.count > found.whole.blocks.count, "it would have more by itself"


def test_where_all_users_were_in_too_shortly_it_is_the_whole_run() -> None:
    turns = good_turns(Shape(users=20, turns=6, tokens=8))
    found = samples(turns, load(turns=6))
    assert found.figures.name == WHOLE_RUN and len(found.figures.index) == 120
    assert found.figures.note.startswith("the time with all users in is too short for an interval: 9")
    assert found.all_in is not None, "its throughput is told all the same"
    assert found.figures.blocks is not None and not found.figures.too_short, "the whole run is long enough"
    short = samples(good_turns(Shape(users=20, turns=3, tokens=8)), load(turns=3)).figures
    assert short.blocks is None and "(5 turn cycles)" in short.too_short
    values, block = short.values(turns, lambda turn: turn.tokens)
    assert len(values) == len(block) == 60, "values are there without blocks too"


def test_the_window_may_be_asked_for(turns: list[Turn]) -> None:
    found = samples(turns, load(), WHOLE)
    assert (found.figures.name, found.figures.note) == (WHOLE_RUN, "")
    assert found.all_in is not None


def test_a_user_who_never_came_leaves_no_stretch(turns: list[Turn]) -> None:
    found = samples(turns, load(users=21))
    assert (found.all_in, found.figures.name, found.figures.note) == (None, WHOLE_RUN, NO_STRETCH)


@pytest.mark.parametrize("kind", [None, OpenLoopLoad(requests=240, interval_s=0.1)])
def test_other_loads_have_no_stretch(kind: Load | None, turns: list[Turn]) -> None:
    found = samples(turns, kind)
    assert (found.figures.name, found.figures.note) == (WHOLE_RUN, NO_STRETCH)
    assert found.figures.blocks is not None


def test_a_mixture_of_levels_has_no_intervals(turns: list[Turn]) -> None:
    found = samples(turns, SweepLoad(levels=(20,), rounds=12, prompt_tokens=20, answer_tokens=20))
    assert (found.figures.note, found.figures.too_short, found.figures.blocks) == (PARTS, PARTS, None)


def test_windows_of_a_level_stand_side_by_side(turns: list[Turn]) -> None:
    """Two windows of 120 turns: their blocks are counted on, each has its own."""
    first = [turn for turn in turns if turn.turn <= 6]
    both = [*first, *first]
    found = side_by_side(both, lambda i: "one" if i < 120 else "two")
    assert found.blocks is not None and found.blocks.count == 10
    assert {block for i, block in zip(found.index, found.block, strict=True) if i < 120} == set(range(5))
    assert {block for i, block in zip(found.index, found.block, strict=True) if i >= 120} == set(range(5, 10))
    short = side_by_side([*first, *first[:6]], lambda i: "one" if i < 120 else "two")
    assert short.blocks is not None and sorted(short.index) == list(range(120)), (
        "a window too short is left out"
    )
    none = side_by_side(first[:6], lambda i: "one")
    assert none.blocks is None and none.too_short and len(none.index) == 6
    assert side_by_side([], lambda i: "").blocks is None


def test_nothing_held() -> None:
    found = samples([], load())
    assert (found.figures.blocks, list(found.figures.index), found.all_in) == (None, [], None)
