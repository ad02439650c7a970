"""Describes a file of conversations or a trace in numbers, for `chatload prompts describe`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chatload.prompts.script import Script
from chatload.prompts.tokens import estimate_tokens

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution; percentiles by nearest rank."""

    n: int
    min: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file. Lengths are in tokens: recorded ones of a trace, or (`estimated`) estimates of texts.

    `prompt_tokens` of conversations are those of the user's lines. `seconds`, `requests_per_s`: of a trace. `think_s`:
    recorded times from a reply to the next turn. `notes`: what is left out, or how the file was read.
    """

    file: str
    kind: str
    conversations: int
    turns: int
    turns_each: Lengths | None = None
    system_messages: int = 0
    images: int = 0
    prompt_tokens: Lengths | None = None
    answer_tokens: Lengths | None = None
    estimated: bool = False
    seconds: float | None = None
    requests_per_s: float | None = None
    think_s: Lengths | None = None
    first: str = ""
    notes: tuple[str, ...] = ()


def lengths(values: Iterable[float]) -> Lengths | None:
    """The distribution of the values; None if there are none."""
    found = sorted(values)
    if not found:
        return None
    ranks = {
        name: found[max(0, -(-round(share * 1000) * len(found) // 1000) - 1)]
        for name, share in SHARES.items()
    }
    return Lengths(n=len(found), min=found[0], mean=sum(found) / len(found), max=found[-1], **ranks)


def of_conversations(file: str, scripts: Sequence[Script], notes: tuple[str, ...]) -> Description:
    """The description of a file of conversations."""
    return Description(
        file=file,
        kind="conversations",
        conversations=len(scripts),
        turns=sum(len(one.lines) for one in scripts),
        turns_each=lengths(len(one.lines) for one in scripts),
        system_messages=sum(bool(one.system) for one in scripts),
        images=sum(map(len, (urls for one in scripts for urls in one.images))),
        prompt_tokens=lengths(estimate_tokens(line) for one in scripts for line in one.lines),
        estimated=True,
        first=scripts[0].lines[0] if scripts else "",
        notes=notes,
    )
