"""Whether runs were made under conditions alike enough for a difference between them to mean anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from chatload.model.errors import UsageError
from chatload.model.sanitize import one_line
from chatload.store.journal import Run

Condition = tuple[str, Callable[[Mapping[str, Any]], Any]]


UNKNOWN = object()
"""The value of a condition that the record does not tell: an older one, or a run that never began."""


def _plan(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda manifest: (manifest.get("plan") or {}).get(key, UNKNOWN)


def _file(key: str) -> Callable[[Mapping[str, Any]], Any]:
    """A file's name: the same file lies elsewhere on another machine."""
    of = _plan(key)
    return lambda manifest: value if (value := of(manifest)) is UNKNOWN else PurePath(str(value or "")).name


def load_kind(manifest: Mapping[str, Any]) -> str:
    """Which of the four loads a run was."""
    plan = manifest.get("plan") or {}
    for key, kind in (("conversation_turns", "capacity"), ("levels", "sweep"), ("requests", "open loop")):
        if key in plan:
            return kind
    return "chat"


def server_kind(manifest: Mapping[str, Any]) -> Any:
    """Which server it was, without its version."""
    server = manifest.get("server") or {}
    return (server.get("found") or {}).get("name") or server.get("dialect") or UNKNOWN


LOAD: tuple[Condition, ...] = (
    ("kind of load", load_kind),
    *(
        (key.removesuffix("_s").replace("_", " "), _plan(key))
        for key in (
            "users", "turns", "requests", "levels", "rounds", "first", "most", "conversation_turns", "interval_s",
            "arrivals", "think_time_s", "think_first", "history", "prompt", "prompt_tokens", "answer_tokens",
            "exact_lengths", "max_tokens", "temperature", "body", "abandon_share", "abandon_tokens", "ramp",
            "settle_s", "measure_s",
        )
    ),
    ("users per second", _plan("users_per_s")),
    ("users per second of a level", _plan("rate")),
    ("prompts", _file("prompts")),
    ("trace", _file("trace")),
    ("sharegpt", _file("sharegpt")),
    ("run time", lambda manifest: manifest.get("run_time_s", UNKNOWN)),
)  # fmt: skip
"""The load: where it differs, no difference between two servers can be told from it."""

MODEL: Condition = ("model", lambda manifest: (manifest.get("server") or {}).get("model") or UNKNOWN)
SERVED: tuple[Condition, ...] = (
    MODEL,
    ("kind of server", server_kind),
)
"""What was served: the same for a run and its baseline; what one wants to compare otherwise."""


def unlike(a: Sequence[Run], b: Sequence[Run], conditions: Sequence[Condition]) -> list[tuple[str, str, str]]:
    """(condition, its value in A, in B) of each that differs."""
    found = []
    for name, of in conditions:
        values = [[of(run.manifest) for run in runs] for runs in (a, b)]
        sides = [sorted({_words(value) for value in side if value is not UNKNOWN}) for side in values]
        if all(sides) and sides[0] != sides[1]:
            told = [one_line(" or ".join(side), 80) for side in sides]
            found.append((name, told[0], told[1]))
    return found


def refuse_unlike(
    names: tuple[str, str], sides: tuple[Sequence[Run], Sequence[Run]], conditions: Sequence[Condition],
    *, force: bool,
) -> tuple[str, ...]:  # fmt: skip
    """UsageError, a line for each condition that differs; with `force` those lines, to be said first."""
    differing = unlike(*sides, conditions)
    words = [f"not alike: {name}: {names[0]} '{one}', {names[1]} '{other}'" for name, one, other in differing]
    if words and not force:
        raise UsageError(
            [
                *words,
                f"{names[0]} and {names[1]} cannot be compared: run both under the same conditions, or add --force",
            ]
        )
    return tuple(f"FORCED, {one}" for one in words)


def _words(value: object) -> str:
    """A value as text; a number is the same as whole number or with a point."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:,g}" if abs(value) < 1e6 else str(value)
    return "" if value is None else str(value)
