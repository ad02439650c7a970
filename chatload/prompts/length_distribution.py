"""Lengths in tokens as an option writes them: one length, drawn ones, or pairs of a file."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

Drawn = Literal["constant", "normal", "uniform", "lognormal", "pairs"]
Pair = tuple[int, int]
"""(prompt, answer) in tokens."""

Asked = tuple[int | None, int | None]
"""The same where a length may not be asked: None."""
NOTHING_ASKED: Asked = (None, None)

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_NORMAL = re.compile(rf"{_NUMBER}\s*(?:±|\+-|\+/-)\s*{_NUMBER}")
_UNIFORM = re.compile(rf"{_NUMBER}\s*\.\.\s*{_NUMBER}")
_LOGNORMAL = re.compile(rf"lognormal\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,9}")
FORMS = "512, 512±64, 100..900, lognormal(512, 300) or @FILE"


class LengthMistake(ValueError):
    """A text that says no length; its words say what it must be."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long prompts or answers are, in tokens.

    constant: `first`. normal: mean `first`, standard deviation `second`. uniform: whole numbers from `first` to
    `second`. lognormal: mean `first` and standard deviation `second` of the lengths themselves, not of their
    logarithms. pairs: those of a file. Drawn lengths lie within 1 and `most`.
    """

    drawn: Drawn
    first: float
    second: float = 0.0
    most: int = 1_000_000

    @property
    def words(self) -> str:
        """512, 512 ± 64 (normal), 100 to 900 (uniform), 512 ± 300 (log-normal), as in a file."""
        if self.drawn == "pairs":
            return "as in a file"
        if self.drawn == "constant":
            return f"{self.first:,g}"
        if self.drawn == "uniform":
            return f"{self.first:,g} to {self.second:,g} (uniform)"
        name = "log-normal" if self.drawn == "lognormal" else "normal"
        return f"{self.first:,g} ± {self.second:,g} ({name})"

    @property
    def mean(self) -> float | None:
        """The mean before lengths are cut to whole numbers; None for those of a file."""
        if self.drawn == "pairs":
            return None
        return (self.first + self.second) / 2 if self.drawn == "uniform" else self.first

    def draw(self, seed: str) -> int:
        """The length of this seed: the inverse of the distribution at a random share."""
        if self.drawn == "constant":
            return int(self.first)
        share = random.Random(seed).random()
        if self.drawn == "uniform":
            least, most = int(self.first), int(self.second)
            return least + min(int(share * (most - least + 1)), most - least)
        return max(1, min(self.most, round(self._inverse(min(max(share, 1e-12), 1 - 1e-12)))))

    def _inverse(self, share: float) -> float:
        if not self.second:
            return self.first
        if self.drawn == "normal":
            return NormalDist(self.first, self.second).inv_cdf(share)
        variance = math.log1p((self.second / self.first) ** 2)
        logarithm = NormalDist(math.log(self.first) - variance / 2, math.sqrt(variance)).inv_cdf(share)
        return math.exp(min(logarithm, 700.0))


def read_lengths(text: str, most: int) -> Lengths | None:
    """The lengths of an option's value; None for an empty one. LengthMistake for one beyond 1 … `most` tokens."""
    if not text:
        return None
    if text.startswith("@"):
        return Lengths("pairs", 0.0, most=most)
    wrong = LengthMistake(f"must be {FORMS}, each from 1 to {most:,} tokens")
    for drawn, form in (("normal", _NORMAL), ("uniform", _UNIFORM), ("lognormal", _LOGNORMAL)):
        found = form.fullmatch(text)
        if found:
            first, second = float(found[1]), float(found[2])
            if not 1 <= first <= most or second > most:
                raise wrong
            if drawn == "uniform" and (first != int(first) or second != int(second) or second < 1):
                raise wrong
            if drawn == "uniform" and first > second:
                raise LengthMistake(f"the shorter one comes first: {second:g}..{first:g}")
            return Lengths(drawn, first, second, most)  # type: ignore[arg-type]
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise wrong
    return Lengths("constant", float(text), most=most)


@dataclass(frozen=True, slots=True)
class TurnLengths:
    """The lengths of every turn of a run: drawn by its seed, so the same in each process.

    With `pairs`, turn t of user u has pair (u + (t − 1) · users) mod n, in the order of the file.
    """

    prompt: Lengths | None = None
    answer: Lengths | None = None
    pairs: Sequence[Pair] = ()
    seed: int = 1
    users: int = 1

    @property
    def are_asked(self) -> bool:
        """Whether any length was asked."""
        return bool(self.prompt or self.answer)

    def of(self, user: int, turn: int) -> Asked:
        """(prompt, answer) in tokens of a turn, from 1; None where nothing was asked."""
        if self.pairs:
            return self.pairs[(user + (turn - 1) * self.users) % len(self.pairs)]
        prompt = None if self.prompt is None else self.prompt.draw(f"prompt tokens {self.seed} {user} {turn}")
        answer = None if self.answer is None else self.answer.draw(f"answer tokens {self.seed} {user} {turn}")
        return prompt, answer
