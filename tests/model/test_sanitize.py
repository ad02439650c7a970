"""Words of a server change nothing on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.model.sanitize import columns, one_line, plain, wrapped


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("a\rb", "a\ufffdb"),
        ("a\x08b\x00c", "a\ufffdb\ufffdc"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\r\nb\tc", "a\nb    c"),
        ("naïve 日本語 é", "naïve 日本語 é"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\x1b", ""),
    ],
)
def test_plain(text: str, safe: str) -> None:
    assert plain(text) == safe


@given(st.text())
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    left = {c for c in plain(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert left <= {"\n", "\u200c", "\u200d"}


@given(st.text(), st.integers(min_value=5, max_value=60))
def test_one_line_fits(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert columns(line) <= limit


@given(st.text(), st.integers(min_value=5, max_value=60))
def test_wrapped_fits_and_loses_nothing(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(plain(text).split())


def test_wide_characters_take_two_columns() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert wrapped("日本語", 4) == ["日本", "語"]
