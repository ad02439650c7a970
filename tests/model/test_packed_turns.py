"""Turns in columns are the turns that were put in, whatever their values are."""

from __future__ import annotations

import msgspec
import pytest

from chatload.model import packed_turns
from chatload.model.packed_turns import PackedTurn, PackedTurns, unpacked
from chatload.model.turn import Turn
from tests.changes import replace

PLAIN = Turn(turn_id="a", request_id="r", user=1, turn=1, due_ns=5, end_ns=9)
FULL = Turn(
    turn_id="", request_id="ü\ud800", user=-128, turn=2**31, group="g", name="n", worker="w", reply_id="", due_ns=2**62,
    sent_ns=-(2**63), first_byte_ns=2**80, first_token_ns=10, last_token_ns=400_000_010, end_ns=-(2**80),
    connect_ms=0.0, tls_ms=0.1 + 0.2, new_connection=True, tokens=9, prompt_tokens=2**15, events=9, coalesced=8,
    gaps_us=(0, 100_000, 2**40), event_tokens=(), ok=True, code="", detail="", marks=("late_send", "hub_lag"),
    warmup=True, echo="own", prompt="", text="x" * 300,
)  # fmt: skip
NUMBERS = [(), (0,), (255,), (256,), (65_536,), (2**32,), (2**63,), (-1,), (-(2**70), 2**70)]


def packed(turns: list[Turn]) -> list[Turn]:
    made = PackedTurns(plain_events=0)
    for turn in turns:
        made.add(turn)
    assert len(made) == len(turns)
    return made.rows()


@pytest.mark.parametrize("at_a_time", [1, 2, 512])
def test_every_field_comes_back_whatever_came_before_and_after(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_turns, "AT_A_TIME", at_a_time)
    turns = [PLAIN, FULL, PLAIN, *(replace(PLAIN, gaps_us=one, event_tokens=one) for one in NUMBERS), FULL]
    turns += [
        replace(PLAIN, user=user) for user in (127, 128, -(2**15), 2**31 - 1, 2**63 - 1, 2**63, -(2**64))
    ]
    rows = packed(turns)
    for row, turn in zip(rows, turns, strict=True):
        for name in Turn.__struct_fields__:
            value = getattr(row, name)
            assert (value, type(value)) == (getattr(turn, name), type(getattr(turn, name))), name
        assert row == turn and turn == row and unpacked(row) == turn and hash(row) == hash(turn)
        assert repr(row) == repr(turn)
    assert unpacked(PLAIN) is PLAIN
    assert rows[0] != FULL and rows[0] != "a"


def test_every_property_is_that_of_the_turn() -> None:
    names = [name for name, one in vars(Turn).items() if isinstance(one, property)]
    assert {"held", "longest_gap_us", "counts"} <= {*names}
    turns = [PLAIN, FULL, replace(FULL, ok=False), replace(FULL, usage_tokens=3), replace(PLAIN, ok=True)]
    for row, turn in zip(packed(turns), turns, strict=True):
        assert isinstance(row, PackedTurn)
        assert [getattr(row, name) for name in names] == [getattr(turn, name) for name in names]


def test_no_value_is_an_unknown_one_of_its_column() -> None:
    """The least number of an array stands for None: a turn that has it takes a wider one."""
    turns = [replace(PLAIN, sent_ns=one) for one in (None, -(2**7), None, -(2**15), -(2**31), -(2**63), None)]
    assert [row.sent_ns for row in packed(turns)] == [turn.sent_ns for turn in turns]


def test_fields_that_nobody_sets_take_no_memory() -> None:
    made = PackedTurns(plain_events=0)
    made.add(PLAIN)
    (row,) = made.rows()
    properties = {name for name, one in vars(type(row)).items() if isinstance(one, property)}
    required = {field.name for field in msgspec.structs.fields(Turn) if field.required}
    assert properties == required
    with pytest.raises(AttributeError):
        row.user = 2  # type: ignore[misc]
