"""Lengths that were asked of prompts and answers, beside those that the server counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from chatload.analysis.expected_hits import expected_cached_share
from chatload.analysis.server_warnings import cached_share
from chatload.model.achieved_lengths import Achieved, AchievedLengths
from chatload.model.server_view import ServerView
from chatload.model.turn import Turn
from chatload.store.journal import Run

NEAR = 0.01
Pair = tuple[int, int]
"""(asked, counted)."""


def achieved_lengths(run: Run, view: ServerView | None) -> AchievedLengths | None:
    """The lengths of a run, and what it repeats; None where its plan asked for neither."""
    load = run.manifest.load
    if load is None or not (load.generates_texts or load.asks_exact_lengths or load.cache != "as-is"):
        return None
    first, added = _prompts(run.turns, grows=load.grows)
    answers = [
        (turn.asked_tokens, turn.billed_tokens)
        for turn in run.turns
        if turn.ok and turn.asked_tokens is not None and turn.billed_tokens is not None
    ]
    return AchievedLengths(
        prompts=_achieved(first),
        added=_achieved(added),
        answers=_achieved(answers),
        repeated_share=expected_cached_share(run),
        cached_share=cached_share(run, view)[0],
    )


def _achieved(pairs: Sequence[Pair]) -> Achieved | None:
    if not pairs:
        return None
    near = sum(abs(counted - asked) <= NEAR * asked for asked, counted in pairs)
    return Achieved(
        n=len(pairs),
        asked_mean=round(fmean(asked for asked, _ in pairs), 3),
        counted_mean=round(fmean(counted for _, counted in pairs), 3),
        within_1_percent=near / len(pairs),
    )


def _prompts(turns: Iterable[Turn], *, grows: bool) -> tuple[list[Pair], list[Pair]]:
    """(whole prompts that begin a conversation, what later turns add)."""
    if not grows:
        return [pair for turn in turns for pair in _whole(turn)], []
    by_user: dict[tuple[str, int], list[Turn]] = defaultdict(list)
    for turn in turns:
        by_user[turn.group, turn.user].append(turn)
    first: list[Pair] = []
    added: list[Pair] = []
    for own in by_user.values():
        own.sort(key=lambda turn: turn.turn)
        before: Turn | None = None
        begins = own[0].turn == 1  # users of a capacity search begin in the middle of a conversation
        for turn in own:
            if before is None and begins:
                first += _whole(turn)
            elif before is not None:
                added += _added(turn, before)
            before = turn if turn.ok else before
    return first, added


def _whole(turn: Turn) -> Iterator[Pair]:
    if turn.asked_prompt_tokens is not None and turn.prompt_tokens is not None:
        yield turn.asked_prompt_tokens, turn.prompt_tokens


def _added(turn: Turn, before: Turn) -> Iterator[Pair]:
    """What a turn adds to the good turn before it: a failed one in between left the history as it was."""
    if before.prompt_tokens is None or before.billed_tokens is None:
        return
    for asked, counted in _whole(turn):
        yield asked, counted - before.prompt_tokens - before.billed_tokens
