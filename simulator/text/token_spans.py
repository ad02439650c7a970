"""The tokens of a text with their ids and places, for the routes of tokenizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from simulator.text.tokens import TOKEN, token_texts

FIRST_ID, IDS = 300, 31_700
"""Ids below are special tokens and bytes."""
BEGIN_ID = 1


class TokenSpan(NamedTuple):
    """A token and the characters that it stands for, the blanks before it included."""

    id: int
    text: str
    start: int
    stop: int


def token_spans(text: str) -> Iterator[TokenSpan]:
    """Every token of a text; of a character of two tokens, the first stands for nothing."""
    start = 0
    for found in TOKEN.finditer(text):
        *halves, last = token_texts(found[0])
        yield from (TokenSpan(token_id(half), "", start, start) for half in halves)
        yield TokenSpan(token_id(last), text[start : found.end()], start, found.end())
        start = found.end()


def token_id(text: str) -> int:
    """The id of a token: the same for the same text, nearly always another for another."""
    return FIRST_ID + crc32(text.encode()) % IDS
