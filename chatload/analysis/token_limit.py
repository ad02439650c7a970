"""Replies with more tokens than their max_tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.protocols.server_kinds import KINDS
from chatload.store.journal import Run

END_TOKEN = 1
"""A server may count the end of a reply beyond the limit: one token more says nothing."""


def beyond_limit(runs: Sequence[Run]) -> str | None:
    """How many replies of these runs have more tokens than asked, and why where it is known; None where none has."""
    good = [turn for run in runs for turn in run.turns if turn.ok]
    beyond = [
        turn for turn in good if turn.max_tokens is not None and _tokens(turn) > turn.max_tokens + END_TOKEN
    ]
    if not beyond:
        return None
    longest = max(beyond, key=_tokens)
    have = "has" if len(beyond) == 1 else "have"
    words = (
        f"{len(beyond):,} of {len(good):,} replies {have} more tokens than asked: up to {_tokens(longest):,} of "
        f"{longest.max_tokens:,}"
    )
    piece = _piece(runs[0])
    if piece and all(_tokens(turn) % piece == 0 for turn in beyond):
        label = runs[0].manifest.server.found.name if runs[0].manifest.server.found is not None else "it"
        words += f": {label} works in pieces of {piece:,}, and makes the last one whole"
    return words


def more_than_asked(run: Run, summary: Summary) -> Iterator[str]:
    """The warning of a run."""
    words = beyond_limit([run])
    if words is not None:
        piece = _piece(run)
        cure = f": ask for {piece:,}, a multiple of it, or fewer than it" if piece else ""
        yield f"{words}. Replies take longer, and load the server more, than planned; speeds per token hold{cure}."


def _tokens(turn: Turn) -> int:
    return turn.tokens or 0


def _piece(run: Run) -> int:
    """The tokens that the server makes of a reply before it queues the rest anew; 0 where it does not, or unknown."""
    found = run.manifest.server.found
    if found is None or len(run.manifest.servers) > 1:
        return 0
    return next((kind.piece_tokens(found.version) for kind in KINDS if kind.title == found.name), 0)
