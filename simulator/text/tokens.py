"""Sample text with a known token count: each word is one token.

Every word has at most six letters, and `count_tokens` splits prompts by the same rule, so a reply that comes back as
history counts as many tokens as were sent.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache

import orjson

TOKEN = re.compile(r"[A-Za-z]{1,6}|[0-9]{1,3}|[^\sA-Za-z0-9]")
MAX_LETTERS = 6
_WORDS = """
river stone garden letter window harbor winter bridge market forest island candle mirror doctor sailor farmer
singer writer tower train engine number signal copper silver valley meadow found opened turned lifted moved kept
gave took made saw held built drew led met sent cut read told knew the a an old small quiet bright early late
warm cold gentle simple heavy hidden first last near under over behind after before with and while then slowly
almost never always again there here
"""
VOCABULARY = tuple(sorted({word for word in _WORDS.split() if len(word) <= MAX_LETTERS}))
_OTHERS = {word: [each for each in VOCABULARY if each != word] for word in ("", *VOCABULARY)}
_IDS = {word: 300 + number for number, word in enumerate(VOCABULARY)}
SAMPLE_TOKENS = 8192
CHARACTERS = "你好é😀ßツ世"
HALF = "\x00half"
EOS_ID = 2


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `json` and `ascii_json` are its text as it stands inside JSON quotes.

    A character of several bytes may take two tokens: the `half` shows nothing, the next shows the character.
    """

    text: str
    token_id: int
    logprob: float
    json: bytes
    ascii_json: bytes
    half: bool = False
    whole_after_half: bool = False


def token_texts(text: str) -> list[str]:
    """The text split into tokens: up to six letters, three digits, one other character; two tokens if not ASCII."""
    texts = TOKEN.findall(text)
    if text.isascii():
        return texts
    return [piece for each in texts for piece in ((each,) if each.isascii() else (HALF, each))]


def count_tokens(text: str) -> int:
    """How many tokens our tokenizer makes of `text`."""
    return len(token_texts(text))


def make_token(text: str, token_id: int, logprob: float) -> Token:
    """A token with its JSON forms prepared."""
    return Token(text, token_id, logprob, orjson.dumps(text)[1:-1], json.dumps(text)[1:-1].encode())


EOS = make_token("", EOS_ID, -0.0625)
EOS_SHOWN = make_token("</s>", EOS_ID, -0.0625)


@lru_cache(maxsize=4)
def sample_text(seed: int, unicode_share: float) -> SampleText:
    """The text of a seed, made once: servers of one process share it."""
    return SampleText(seed, unicode_share)


class SampleText:
    """A long text made from a seed; replies are parts of it that begin with a sentence."""

    def __init__(self, seed: int, unicode_share: float = 0.0) -> None:
        rng = random.Random(seed)
        self._unicode_share = unicode_share
        self._tokens: list[Token] = []
        self._openings: list[int] = []
        while len(self._tokens) < SAMPLE_TOKENS:
            self._openings.append(len(self._tokens))
            self._sentence(rng)

    def _sentence(self, rng: random.Random) -> None:
        word = ""
        for place in range(rng.randint(5, 14)):
            word = rng.choice(_OTHERS[word])
            self._add(rng, " " + (word.capitalize() if place == 0 else word))
            if self._unicode_share and rng.random() < self._unicode_share:
                self._add_character(rng)
            if place and rng.random() < 0.08:
                self._add(rng, ",")
        self._add(rng, ".")

    def _add(self, rng: random.Random, text: str) -> None:
        word = text.strip().lower()
        token_id = _IDS[word] if word in _IDS else 13 + ord(word)
        self._tokens.append(make_token(text, token_id, -rng.randrange(1, 1000) / 256))

    def _add_character(self, rng: random.Random) -> None:
        """A character that takes two tokens."""
        token_id = rng.randrange(3, 259)
        self._tokens.append(replace(make_token("", token_id, -1.5), half=True))
        text = " " + rng.choice(CHARACTERS)
        self._tokens.append(replace(make_token(text, token_id + 1, -0.25), whole_after_half=True))

    def take(self, rng: random.Random, length: int, leading_space: bool) -> list[Token]:
        """`length` tokens, beginning at a random sentence; the first with its space only if `leading_space`."""
        start = rng.choice(self._openings)
        tokens = self._tokens[start : start + length]
        while len(tokens) < length:
            tokens += self._tokens[: length - len(tokens)]
        if tokens and not leading_space:
            first = tokens[0]
            tokens[0] = make_token(first.text.lstrip(), first.token_id, first.logprob)
        return tokens
