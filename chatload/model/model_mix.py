"""Several models of one server, each used by its share of the users: `--model a=3,b=1`."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from chatload.model.words import percent

MOST_WEIGHT = 10_000


class ModelShare(msgspec.Struct, frozen=True):
    """A model, or a LoRA adapter served as one, and its weight relative to the others."""

    name: str
    weight: int


Mix = tuple[ModelShare, ...]


class MixMistake(ValueError):
    """An invalid list of models; the message says how to write it."""


def mix_of(text: str) -> Mix:
    """The models of "a=3,b=1", in order; empty for a single name, which may contain "=". Raises MixMistake."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        return ()
    shares: list[ModelShare] = []
    for part in parts:
        name, _, weight = part.rpartition("=")
        if not (name.strip() and weight.strip().isdecimal() and 1 <= int(weight) <= MOST_WEIGHT):
            raise MixMistake(
                f"{part[:80]!r} has no weight from 1 to {MOST_WEIGHT:,}: write each model as NAME=WEIGHT, a=3,b=1"
            )
        shares.append(ModelShare(name.strip(), int(weight)))
    names = [one.name for one in shares]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MixMistake(f"{twice[:80]!r} is given twice: give each model one weight")
    return tuple(shares)


def model_for(mix: Mix, user: int, seed: int) -> str:
    """The model of a user. Users are taken in rounds of sum(weights) / gcd(weights).

    In each round every model occurs in proportion to its weight, in an order drawn by the seed.
    """
    order = _order(tuple(one.weight for one in mix), seed, user // _round(mix))
    return mix[order[user % len(order)]].name


def mix_words(mix: Mix) -> str:
    """Such as "a (75%) and b (25%)"."""
    total = sum(one.weight for one in mix)
    return " and ".join(
        ", ".join(f"{one.name} ({percent(one.weight / total)})" for one in part)
        for part in (mix[:-1], mix[-1:])
        if part
    )


def _round(mix: Mix) -> int:
    weights = [one.weight for one in mix]
    return sum(weights) // math.gcd(*weights)


@lru_cache(maxsize=4)
def _order(weights: tuple[int, ...], seed: int, number: int) -> Sequence[int]:
    """The models of one round of users, as indices into the mix."""
    common = math.gcd(*weights)
    order = [place for place, weight in enumerate(weights) for _ in range(weight // common)]
    random.Random(f"models {seed} {number}").shuffle(order)
    return order
