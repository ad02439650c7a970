"""The warm-up of a run: its first turns, which are journaled but count in no figure, SLO or comparison."""

from __future__ import annotations

import re

import msgspec

from chatload.model.words import plural
from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import DAY_S, MOST_REQUESTS, Range, whole

_TURNS = re.compile(r"(\S+)\s+turns?", re.IGNORECASE)
_TIME, _NUMBER = Range(1, DAY_S, unit="time"), whole(1, MOST_REQUESTS)


class Warmup(msgspec.Struct, frozen=True):
    """Turns due in the first `seconds` of a run, or the first `turns` of each user; both 0: no warm-up."""

    seconds: float = 0.0
    turns: int = 0

    def __bool__(self) -> bool:
        return bool(self.seconds or self.turns)

    @property
    def words(self) -> str:
        """Such as "the first 30 s" or "the first 2 turns"."""
        return f"the first {self.seconds:g} s" if self.seconds else f"the first {plural(self.turns, 'turn')}"


class WarmupOption(Option[Warmup]):
    """A time or a number of turns: "30s", "2 turns"; empty: no warm-up."""

    def parse(self, text: str) -> Warmup:
        """The warm-up."""
        turns = _TURNS.fullmatch(text)
        found = (_NUMBER.read(turns[1]) if turns else _TIME.read(text)) if text else 0.0
        if found is None:
            raise InvalidValue(
                f"must be a time such as 30s (1 s to a day), or '2 turns' (1 to {MOST_REQUESTS:,})"
            )
        return Warmup(turns=int(found)) if turns else Warmup(seconds=found)
