"""Turns of which only the outcome matters."""

from __future__ import annotations

from chatload.model.turn import Turn


def turn_of(code: str | None, detail: str = "") -> Turn:
    """A turn that ended with a code, or was good."""
    return Turn(
        turn_id="0-1",
        request_id="r",
        user=0,
        turn=1,
        due_ns=0,
        end_ns=1,
        ok=code is None,
        code=code,
        detail=detail,
    )
