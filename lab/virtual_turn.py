"""A turn of a request that was served in virtual time."""

from __future__ import annotations

from chatload.model.turn import Turn
from lab.calibration.virtual_time import Served


def turn_of(user: int, number: int, due_s: float, done: Served) -> Turn:
    """What chatload would have recorded, had it measured without error."""
    due_ns, first_ns, end_ns = round(due_s * 1e9), round(done.first_s * 1e9), round(done.end_s * 1e9)
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="",
        user=user,
        turn=number,
        due_ns=due_ns,
        sent_ns=due_ns,
        first_token_ns=first_ns,
        last_token_ns=end_ns,
        end_ns=end_ns,
        tokens=done.tokens,
        first_event_tokens=1,
        ok=True,
    )
