"""Stores the turns of a run compactly: one column per field, as narrow as its values, and rows that read like `Turn`.

A `Turn` of 70 events takes 2,900 bytes in all, a row here about 450. A field is decoded each time it is read: code that
needs one several times should keep it. The turns of small runs stay as they are, which makes their reports a third
faster.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Protocol, cast

import msgspec

from chatload.model.turn import Turn

AT_A_TIME = 512
"""Turns that are appended to the columns together."""
MOST_EVENTS_PLAIN = 2_500_000
"""Up to so many events, turns are kept as they are: about 100 MB."""
UNIQUE_TEXTS = frozenset({"turn_id", "request_id", "reply_id", "detail", "prompt", "text"})
"""Text fields that differ in most turns. Equal values of all others are stored once."""
WIDTHS = "bhiq"
"""Type codes of arrays of signed numbers, the narrowest first."""
AS_JSON = 0
"""Stands in place of an array's type code: numbers of more than 64 bits, as JSON."""

Get = Callable[["PackedTurn"], Any]  # Any: the fields of Turn have many types


class _Column(Protocol):
    """The values of one field."""

    def extend(self, values: Sequence[Any]) -> None:
        """Append the values of the next turns."""

    def getter(self) -> Get:
        """A function that returns the value of a row. Nothing may be appended afterwards."""


class PackedTurns:
    """Turns, added one by one. Up to `plain_events` events in all, the turns are kept and no columns are made."""

    def __init__(self, plain_events: int = MOST_EVENTS_PLAIN) -> None:
        self._room = plain_events
        self._waiting: list[Turn] = []
        self._columns: dict[str, _Column] = {}
        self._packed = 0

    def __len__(self) -> int:
        return self._packed + len(self._waiting)

    def add(self, turn: Turn) -> None:
        """Add a turn."""
        self._waiting.append(turn)
        self._room -= 1 + len(turn.gaps_us)
        if self._room < 0 and len(self._waiting) >= AT_A_TIME:
            self._pack()

    def rows(self) -> list[Turn]:
        """All turns in the order in which they were added: each a `Turn`, or a `PackedTurn` with the same fields."""
        if self._room >= 0:
            return list(self._waiting)
        self._pack()
        members: dict[str, object] = {"__slots__": ()}
        for name, (default, _) in _COLUMNS.items():
            column = self._columns.get(name)
            members[name] = default if column is None else property(column.getter())
        row = type("PackedTurn", (PackedTurn,), members)
        return cast("list[Turn]", list(map(row, range(self._packed))))

    def _pack(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), AT_A_TIME):
            self._append(waiting[start : start + AT_A_TIME])

    def _append(self, turns: list[Turn]) -> None:
        for name, (default, make) in _COLUMNS.items():
            values = list(map(_GET[name], turns))
            column = self._columns.get(name)
            if column is None:
                if values.count(default) == len(values):
                    continue  # no turn has set the field so far
                column = self._columns[name] = make()
                column.extend([default] * self._packed)
            column.extend(values)
        self._packed += len(turns)


class PackedTurn:
    """One turn in the columns of its run, with the fields and properties of `Turn`; equal to a `Turn` with the same.

    Each run has its own subclass, whose properties read that run's columns.
    """

    __slots__ = ("at",)

    billed_tokens = Turn.billed_tokens
    counts = Turn.counts
    failed = Turn.failed
    failure_code = Turn.failure_code

    def __init__(self, at: int) -> None:
        self.at = at

    def unpacked(self) -> Turn:
        """The turn as a `Turn`."""
        return Turn(**{name: getattr(self, name) for name in _FIELDS})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedTurn | Turn):
            return NotImplemented
        return unpacked(cast(Turn, self)) == unpacked(cast(Turn, other))

    def __hash__(self) -> int:
        return hash(self.unpacked())

    def __repr__(self) -> str:
        return repr(self.unpacked())


def unpacked(turn: Turn) -> Turn:
    """The turn as a real `Turn`, which msgspec can write and change."""
    return turn.unpacked() if isinstance(turn, PackedTurn) else turn


class _Whole:
    """Whole numbers or None, in the narrowest array that fits them; a list if one exceeds 64 bits.

    In an array the least number of its type stands for None.
    """

    def __init__(self) -> None:
        self._data: array[int] | list[int | None] = array(WIDTHS[0])
        self._none = _least(self._data)

    def extend(self, values: Sequence[int | None]) -> None:
        some_none = None in values
        while isinstance(data := self._data, array):
            before = len(data)
            try:
                if self._none in values:
                    raise OverflowError  # taken: stands for None
                kept = [self._none if one is None else one for one in values] if some_none else values
                data.extend(cast("Sequence[int]", kept))
                return
            except OverflowError:
                del data[before:]
                self._widen(data)
        data.extend(values)

    def _widen(self, data: array[int]) -> None:
        wider = WIDTHS[WIDTHS.index(data.typecode) + 1 :]
        if not wider:
            self._data = [None if one == self._none else one for one in data]
            return
        new = _least(array(wider[0]))
        self._data = array(wider[0], (new if one == self._none else one for one in data))
        self._none = new

    def at(self) -> Callable[[int], int]:
        """A function that returns the number at a position. Only for a column without None."""
        return cast("Callable[[int], int]", self._data.__getitem__)

    def getter(self) -> Get:
        data, none = self._data, self._none
        if isinstance(data, list) or none not in data:
            return lambda row: data[row.at]
        return lambda row: None if (value := data[row.at]) == none else value


def _least(data: array[int]) -> int:
    return -(1 << (8 * data.itemsize - 1))


class _Flags:
    def __init__(self) -> None:
        self._data = bytearray()

    def extend(self, values: Sequence[bool]) -> None:
        self._data.extend(values)

    def getter(self) -> Get:
        data = self._data
        return lambda row: data[row.at] == 1


class _Floats:
    """Numbers or None, which is stored as NaN: JSON has no NaN, so no field has one."""

    def __init__(self) -> None:
        self._data = array("d")

    def extend(self, values: Sequence[float | None]) -> None:
        self._data.extend(float("nan") if one is None else one for one in values)

    def getter(self) -> Get:
        data = self._data
        return lambda row: value if (value := data[row.at]) == value else None


class _Repeated:
    """Values that many turns share: each value once, and its number for each turn."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}  # Any: texts, or tuples of texts
        self._data = _Whole()

    def extend(self, values: Sequence[Any]) -> None:
        numbers = self._numbers
        self._data.extend([numbers.setdefault(one, len(numbers)) for one in values])

    def getter(self) -> Get:
        values, number = list(self._numbers), self._data.at()
        return lambda row: values[number(row.at)]


class _Pieces:
    """Values as consecutive bytes; None takes no bytes, every other value at least one."""

    def __init__(self, add: Callable[[bytearray, Any], None], read: Callable[[bytearray], Any]) -> None:
        self._add, self._read = add, read
        self._data = bytearray()
        self._ends = _Whole()
        self._ends.extend([0])

    def extend(self, values: Sequence[Any]) -> None:
        ends = []
        for one in values:
            if one is not None:
                self._add(self._data, one)
            ends.append(len(self._data))
        self._ends.extend(ends)

    def getter(self) -> Get:
        data, end, read = self._data, self._ends.at(), self._read

        def get(row: PackedTurn) -> Any:
            at = row.at
            start, until = end(at), end(at + 1)
            return None if start == until else read(data[start:until])

        return get


def _add_text(data: bytearray, text: str) -> None:
    data.append(0)
    data += text.encode("utf-8", "surrogatepass")


def _text(data: bytearray) -> str:
    return data[1:].decode("utf-8", "surrogatepass")


def _add_numbers(data: bytearray, values: tuple[int, ...]) -> None:
    """Append the numbers as an array's type code and its bytes, or as AS_JSON and JSON."""
    for kind in "BHIq":
        try:
            packed = array(kind, values)
        except OverflowError:
            continue
        data.append(ord(kind))
        data += packed.tobytes()
        return
    data.append(AS_JSON)
    data += msgspec.json.encode(values)


def _numbers(data: bytearray) -> tuple[int, ...]:
    if data[0] == AS_JSON:
        return tuple(msgspec.json.decode(data[1:]))
    found = array(chr(data[0]))
    found.frombytes(memoryview(data)[1:])
    return tuple(found)


def _fields() -> dict[str, tuple[Any, Callable[[], _Column]]]:
    """(default, column factory) of each field of a turn. The default of a required field equals no value."""
    found: dict[str, tuple[Any, Callable[[], _Column]]] = {}
    for field in cast(msgspec.inspect.StructType, msgspec.inspect.type_info(Turn)).fields:
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        found[field.encode_name] = (default, _maker(field.name, field.type))
    return found


def _maker(name: str, kind: msgspec.inspect.Type) -> Callable[[], _Column]:
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    (one,) = (each for each in kinds if not isinstance(each, msgspec.inspect.NoneType))
    if name in UNIQUE_TEXTS:
        return lambda: _Pieces(_add_text, _text)
    if isinstance(one, msgspec.inspect.VarTupleType) and isinstance(one.item_type, msgspec.inspect.IntType):
        return lambda: _Pieces(_add_numbers, _numbers)
    simple: dict[type, Callable[[], _Column]] = {
        msgspec.inspect.IntType: _Whole,
        msgspec.inspect.BoolType: _Flags,
        msgspec.inspect.FloatType: _Floats,
    }
    return simple.get(type(one), _Repeated)


_FIELDS = _fields()
_COLUMNS = {**_FIELDS, "held": (None, _Repeated), "longest_gap_us": (None, _Whole)}
"""Columns: the fields, and properties that are slow to compute."""
_GET = {name: attrgetter(name) for name in _COLUMNS}
