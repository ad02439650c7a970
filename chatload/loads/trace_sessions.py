"""The conversations of a trace: which of its rows follow one another, and after which time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from chatload.files.columns import SESSIONS
from chatload.files.reading import quoted

CHAT, PARENT = "chat_id", "parent_chat_id"
"""Bailian's columns: the number of a request, and of the one before it; -1 for the first of a conversation."""
DELAYS = {
    "delay": 10**6,
    "delay_ms": 10**6,
    "delay_s": 10**9,
    "think_time": 10**9,
    "think_time_s": 10**9,
    "think_time_ms": 10**6,
}
"""Names of columns of the time from the end of a reply to the next turn, and ns of their unit (AIPerf: ms)."""
TURNS = "turns"
"""The key of AIPerf's multi-turn files that holds the turns of a conversation."""
FIRST_PARENTS = (None, "", -1, "-1", -1.0)


class Place(NamedTuple):
    """The conversation of a row: by its name `session`, or as the row after `parent`, with the number `chat`."""

    session: Hashable = None
    chat: Hashable = None
    parent: Hashable = None

    @property
    def is_known(self) -> bool:
        """Whether the row names its conversation."""
        return self.session is not None or self.chat is not None


NOWHERE = Place()


def place_of(content: Mapping[str, object], names: Mapping[str, str]) -> Place:
    """The place of a row; `names` are its keys by plain name."""
    if CHAT in names and PARENT in names:
        parent = content[names[PARENT]]
        return Place(chat=_id(content[names[CHAT]]), parent=None if parent in FIRST_PARENTS else _id(parent))
    for known in SESSIONS:
        if known in names and content[names[known]] not in (None, ""):
            return Place(session=_id(content[names[known]]))
    return NOWHERE


def _id(value: object) -> Hashable:
    return value if isinstance(value, str | int) else quoted(value)


def chains_of(places: Sequence[Place]) -> tuple[list[list[int]], int]:
    """(indexes of the rows of each conversation, how many rows have a parent that is not in the trace).

    `places` are in order of time. If several rows have one parent, the first continues its conversation; each of the
    others begins a new one.
    """
    chains: list[list[int]] = []
    by_session: dict[Hashable, list[int]] = {}
    ends: dict[Hashable, list[int]] = {}
    seen: set[Hashable] = set()
    orphans = 0
    for index, place in enumerate(places):
        chain: list[int] | None = None
        if place.session is not None:
            chain = by_session.get(place.session)
        elif place.parent is not None:
            chain = ends.pop(place.parent, None)
            orphans += chain is None and place.parent not in seen
        if chain is None:
            chain = []
            chains.append(chain)
        chain.append(index)
        if place.session is not None:
            by_session[place.session] = chain
        if place.chat is not None:
            ends[place.chat] = chain
            seen.add(place.chat)
    return chains, orphans


def whole_prompts(chains: Sequence[Sequence[int]], prompts: Sequence[int | None]) -> bool:
    """Whether prompt lengths include the history: then most of them grow from turn to turn.

    Mooncake's and Bailian's do; AIPerf's may be those of the new message alone.
    """
    pairs = [(prompts[before], prompts[after]) for chain in chains for before, after in pairwise(chain)]
    known = [(before, after) for before, after in pairs if before is not None and after is not None]
    return sum(after > before for before, after in known) >= 0.75 * len(known)
