"""What serde_json and serde_path_to_error say about bodies that do not parse or do not fit, as axum passes it on."""

from __future__ import annotations

import json
import re
from typing import Any

_BLANK = re.compile(rb"[ \t\r\n]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {b"t": b"true", b"f": b"false", b"n": b"null"}
_OPENED = {b"{": "an object", b"[": "a list"}


class _Broken(Exception):
    """The words and the number of bytes read."""

    def __init__(self, words: str, at: int) -> None:
        super().__init__(words)
        self.words, self.at = words, at


class _Reader:
    """Reads JSON as serde_json does and keeps the way to where it is; `ends`: where each value ended, by its way."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0
        self.way: list[str] = []
        self.ends: dict[str, int] = {}

    def whole(self) -> None:
        """One value and nothing after it."""
        self.value()
        if self.peek():
            raise _Broken("trailing characters", self.at + 1)

    def peek(self) -> bytes:
        """The next byte that is no blank; b"" at the end."""
        found = _BLANK.match(self.body, self.at)
        self.at = found.end() if found else self.at
        return self.body[self.at : self.at + 1]

    def value(self) -> None:
        """A value of any kind."""
        first = self.peek()
        if not first:
            raise _Broken("EOF while parsing a value", len(self.body))
        if first in _OPENED:
            self.items(first)
        elif first == b'"':
            self.string()
        elif first in _WORDS:
            self.word(_WORDS[first])
        elif first == b"-" or first.isdigit():
            found = _NUMBER.match(self.body, self.at)
            if found is None:
                raise _Broken("invalid number", min(len(self.body), self.at + 2))
            self.at = found.end()
        else:
            raise _Broken("expected value", self.at + 1)
        self.ends[way_text(self.way)] = self.at

    def items(self, opened: bytes) -> None:
        """What stands in braces or brackets."""
        is_object, closed = opened == b"{", b"}" if opened == b"{" else b"]"
        self.at += 1
        number = 0
        while True:
            after = self.peek()
            if not after:
                raise _Broken(f"EOF while parsing {_OPENED[opened]}", len(self.body))
            if after == closed:
                self.at += 1
                return
            if number:
                if after != b",":
                    raise _Broken(f"expected `,` or `{closed.decode()}`", self.at + 1)
                self.at += 1
                self.not_after_comma(closed)
            self.way.append(self.key() if is_object else f"[{number}]")
            self.value()
            self.way.pop()
            number += 1

    def not_after_comma(self, closed: bytes) -> None:
        """After a comma comes an item."""
        after = self.peek()
        if not after:
            raise _Broken("EOF while parsing a value", len(self.body))
        if after == closed:
            raise _Broken("trailing comma", self.at + 1)

    def key(self) -> str:
        """A key and its colon."""
        if self.peek() != b'"':
            raise _Broken("key must be a string", self.at + 1)
        start = self.at
        self.string()
        text = self.body[start + 1 : self.at - 1].decode("utf-8", "replace")
        after = self.peek()
        if not after:
            raise _Broken("EOF while parsing an object", len(self.body))
        if after != b":":
            raise _Broken("expected `:`", self.at + 1)
        self.at += 1
        return text

    def string(self) -> None:
        """A string."""
        self.at += 1
        while self.at < len(self.body):
            byte = self.body[self.at]
            self.at += 1
            if byte == 0x22:
                return
            if byte < 0x20:
                raise _Broken("control character (\\u0000-\\u001F) found while parsing a string", self.at)
            if byte == 0x5C:
                if self.at < len(self.body) and self.body[self.at] not in b'"\\/bfnrtu':
                    raise _Broken("invalid escape", self.at + 1)
                self.at += 1
        raise _Broken("EOF while parsing a string", len(self.body))

    def word(self, word: bytes) -> None:
        """true, false, null."""
        for place, byte in enumerate(word):
            there = self.body[self.at + place : self.at + place + 1]
            if not there:
                raise _Broken("EOF while parsing a value", len(self.body))
            if there[0] != byte:
                raise _Broken("expected ident", self.at + place + 1)
        self.at += len(word)


def way_text(way: list[str]) -> str:
    """`messages[0].content`."""
    return "".join(part if part.startswith("[") else f".{part}" for part in way).removeprefix(".")


def syntax_error(body: bytes) -> str | None:
    """What is wrong with the JSON of `body`; None if nothing is."""
    reader = _Reader(body)
    try:
        reader.whole()
    except _Broken as broken:
        way = way_text(reader.way)
        return (
            f"{way}: {broken.words}{_place(body, broken.at)}"
            if way
            else broken.words + _place(body, broken.at)
        )
    return None


def type_error(body: bytes, way: str, value: Any, expected: str) -> str:
    """The value at `way` is of the wrong type, or out of its range."""
    reader = _Reader(body)
    reader.whole()
    kind = "value" if isinstance(value, int) and expected.startswith(("u", "i")) else "type"
    found = f"invalid {kind}: {_described(value)}, expected {expected}"
    return f"{way}: {found}{_place(body, reader.ends.get(way, len(body)))}"


def _described(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {json.dumps(value, ensure_ascii=False)}"
    return "sequence" if isinstance(value, list) else "map"


def _place(body: bytes, at: int) -> str:
    before = body[:at]
    line_start = before.rfind(b"\n") + 1
    return f" at line {before.count(bytes([10])) + 1} column {at - line_start}"
