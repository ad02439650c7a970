"""The differences of two answers, and which of them cannot go away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lab.wire_diff.captures import Capture
from lab.wire_diff.explanations import TGI, Explanation
from lab.wire_diff.shape import Shape, shape_of


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of a case; `why`: the explanation, or "" if there is none."""

    case: str
    words: str
    why: str


def differences(capture: Capture, ours: bytes, known: Sequence[Explanation] = TGI) -> list[Difference]:
    """Every difference between the recorded answer and ours; `known`: the explanations of this server."""
    found = list(_differences(shape_of(capture.answer), shape_of(ours)))
    return [Difference(capture.case, words, _why(capture.case, words, known)) for words in found]


def _why(case: str, words: str, known: Sequence[Explanation]) -> str:
    for each in known:
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
