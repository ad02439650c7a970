"""The differences of two answers, and which of them cannot go away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

from lab.wire_diff.captures import Capture
from lab.wire_diff.shape import Shape, shape_of


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a difference stays: `case` and `difference` are patterns that are searched for."""

    case: str
    difference: str
    words: str


MADE_UP_LENGTH = "how long an answer is that nothing limits is made up, there as here"
EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation("abort", "^end:|genuine None", "the recorder hung up in the middle"),
    Explanation("seed_jmeter", "finish_reason", MADE_UP_LENGTH),
    Explanation("keepalive", "^item", "their model stalled after its first call, ours after the third token"),
    Explanation("total", "_tokens", MADE_UP_LENGTH),
    Explanation("_stop$", "_tokens", "their tokens of the stop string are other ones than ours"),
    Explanation("shard_dies", "transport error", "ours has no model process that could die"),
    Explanation("too_long", "Given|^head|^framing", "6,002 tokens by their tokenizer, half as many by ours"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of a case; `why`: the explanation, or "" if there is none."""

    case: str
    words: str
    why: str


def differences(capture: Capture, ours: bytes) -> list[Difference]:
    """Every difference between the recorded answer and ours."""
    found = list(_differences(shape_of(capture.answer), shape_of(ours)))
    return [Difference(capture.case, words, _why(capture.case, words)) for words in found]


def _why(case: str, words: str) -> str:
    for each in EXPLANATIONS:
        if re.search(each.case, case) and re.search(each.difference, words, re.DOTALL):
            return each.words
    return ""


def _differences(genuine: Shape, ours: Shape) -> list[str]:
    found: list[str] = []
    if sorted(genuine.head) == sorted(ours.head) and genuine.head != ours.head:
        found.append(f"header order: genuine {list(genuine.head)}, ours {list(ours.head)}")
    found += [f"head: only the genuine one has {line!r}" for line in genuine.head if line not in ours.head]
    found += [f"head: only ours has {line!r}" for line in ours.head if line not in genuine.head]
    if genuine.framing != ours.framing:
        found.append(f"framing: genuine {genuine.framing}, ours {ours.framing}")
    if genuine.whole != ours.whole:
        found.append(f"end: the genuine one is {_whole(genuine)}, ours {_whole(ours)}")
    for place, (theirs, mine) in enumerate(zip_longest(genuine.body, ours.body), 1):
        if theirs != mine:
            found.append(f"item {place} of the body: genuine {theirs}, ours {mine}")
            break
    return found


def _whole(shape: Shape) -> str:
    return "complete" if shape.whole else "broken off"
