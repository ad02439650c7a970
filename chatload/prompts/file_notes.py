"""Notes for the user on a file of conversations: on keys that are not sent, and on conversations split over records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from chatload.files.columns import SESSIONS, plain
from chatload.model.words import listed

CONTEXTS = (
    "context",
    "document",
    "passage",
    "article",
    "choices",
    "options",
    "audio",
    "video",
    "tools",
    "functions",
)
"""Keys of content that belongs to a prompt but is not sent."""
LENGTHS = (
    "max_tokens",
    "max_completion_tokens",
    "output_tokens",
    "output_tokens_count",
    "output_length",
    "output_len",
)
"""Keys of lengths of answers, which are not used."""


def unused_keys(content: Mapping[str, object], used: str) -> Iterable[str]:
    """The keys of a conversation that have content but are not sent; `used` is the key of its prompt."""
    for name in _known(tuple(content)):
        if name != used and content[name] not in (None, "", [], {}):
            yield name


def session_of(content: Mapping[str, object]) -> tuple[str, str] | None:
    """(key, value) of the id of a record's conversation; None if it has none."""
    for name in _sessions(tuple(content)):
        value = content[name]
        if isinstance(value, str | int) and value != "":
            return name, str(value)
    return None


def split_notes(file: str, sessions: Counter[tuple[str, str]], conversations: int) -> tuple[str, ...]:
    """A note on conversations of several records; `sessions`: number of records by key and value."""
    split = [(name, times) for (name, _), times in sessions.items() if times > 1]
    if not split:
        return ()
    rows = sum(times for _, times in split)
    return (
        f"--prompts {file}: {rows:,} of {conversations:,} records share their {split[0][0][:40]!r} with others, and "
        'each is read as a conversation of its own: put the turns of one together, {"turns": ["…", "…"]}',
    )


@lru_cache(maxsize=64)
def _sessions(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if plain(name) in SESSIONS)


@lru_cache(maxsize=64)
def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names among CONTEXTS and LENGTHS. Cached, as records of a file have the same keys."""
    return tuple(name for name in names if plain(name) in (*CONTEXTS, *LENGTHS))


def unused_keys_notes(file: str, found: Counter[str], conversations: int) -> tuple[str, ...]:
    """A note on CONTEXTS and one on LENGTHS; `found`: number of conversations by key."""
    notes = []
    for known, words in (
        (CONTEXTS, "not sent: put what the model must see into the text of the prompt"),
        (LENGTHS, "not used: all turns have the same --max-tokens"),
    ):
        keys = [name for name in found if plain(name) in known]
        if keys:
            most = max(found[name] for name in keys)
            shown = listed([repr(name[:40]) for name in keys[:5]])
            notes.append(f"--prompts {file}: {shown} in {most:,} of {conversations:,} conversations: {words}")
    return tuple(notes)
