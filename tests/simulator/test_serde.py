"""JSON errors in serde's words; those with a star were recorded, the others follow its source."""

from __future__ import annotations

import pytest

from simulator.servers.tgi.serde import syntax_error, type_error


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"inputs": "A', "inputs: EOF while parsing a string at line 1 column 13"),  # *
        (b'{"messages": [', "messages: EOF while parsing a list at line 1 column 14"),  # *
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b'{"messages": Infinity}', "messages: expected value at line 1 column 14"),
        (b'{"a":1,}', "trailing comma at line 1 column 8"),
        (b'{"a" 1}', "expected `:` at line 1 column 6"),
        (b"[1 2]", "expected `,` or `]` at line 1 column 4"),
        (b'{"a":1 "b":2}', "expected `,` or `}` at line 1 column 8"),
        (b'{"a":nul}', "a: expected ident at line 1 column 9"),
        (b"{a:1}", "key must be a string at line 1 column 2"),
        (b'{"a":1} x', "trailing characters at line 1 column 9"),
        (b'{"a":\n\n  }', "a: expected value at line 3 column 3"),
        (b'{"m":[{"c":"x}]}', "m[0].c: EOF while parsing a string at line 1 column 16"),
        (b'{"a":{"b":1', "a: EOF while parsing an object at line 1 column 11"),
        (b'{"a":"\\x"}', "a: invalid escape at line 1 column 8"),
    ],
)
def test_what_does_not_parse(body: bytes, words: str) -> None:
    assert syntax_error(body) == words


@pytest.mark.parametrize("body", [b"{}", b' {"a": [1, -2.5e3, "x\\n", true, null, {"b": []}]} '])
def test_what_parses_has_no_error(body: bytes) -> None:
    assert syntax_error(body) is None


def test_what_does_not_fit_names_the_value_and_the_place_after_it() -> None:
    body = b'{"model":"tgi","stream":false,"stream_options":null,"n":"x","m":-1}'
    assert type_error(body, "stream_options", None, "struct StreamOptions") == (
        "stream_options: invalid type: null, expected struct StreamOptions at line 1 column 51"  # *
    )
    assert (
        type_error(body, "n", "x", "u32") == 'n: invalid type: string "x", expected u32 at line 1 column 59'
    )
    assert (
        type_error(body, "m", -1, "u32") == "m: invalid value: integer `-1`, expected u32 at line 1 column 66"
    )
