"""References in prompts and replies: whether a reply was made for the user who got it (model/reference.py)."""

from __future__ import annotations

import msgspec

from chatload.engine.client import TurnSpec
from chatload.model.reference import ASKS, reference, references_in
from chatload.model.turn import Turn, TurnRequest


def with_reference(spec: TurnSpec, run_id: str) -> TurnSpec:
    """The turn, whose last message asks for its reference."""
    asks = ASKS.format(reference(run_id, spec.user, spec.turn))
    return msgspec.structs.replace(spec, request=_asking(spec.request, asks))


def _asking(request: TurnRequest, asks: str) -> TurnRequest:
    *before, last = request.messages
    more, parts = last.more, last.more.get("content")
    if isinstance(parts, list):
        more = {**more, "content": [*parts, {"type": "text", "text": asks}]}
    asked = msgspec.structs.replace(last, content=last.content + asks, more=more)
    return msgspec.structs.replace(request, messages=(*before, asked))


def with_echo(turn: Turn, reply: str, run_id: str) -> Turn:
    """The turn with whose reference its reply held; failed as cross_talk where it is another user's."""
    found = references_in(reply, run_id)
    others = [one for one in found if one[0] != turn.user]
    if not others:
        return msgspec.structs.replace(turn, echo="own" if found else "none")
    user, number = others[0]
    words = f"the reply holds the reference of user {user}, turn {number}"
    detail = words if turn.ok else f"{turn.detail}; {words}"
    return msgspec.structs.replace(turn, echo="other", ok=False, code="cross_talk", detail=detail[:200])
