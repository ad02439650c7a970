"""Turns made by hand, for tests without a server."""

from __future__ import annotations

from typing import Any

from chatload.model.turn import Turn

S = 1_000_000_000


def turn(user: int = 0, number: int = 1, sent_s: float = 0.0, ttft_s: float = 0.1, **more: Any) -> Turn:
    """A good turn: `tokens` (11) tokens, the first after `ttft_s`, then one every 20 ms."""
    tokens = more.pop("tokens", 11)
    sent_ns = round(sent_s * S)
    first_ns = sent_ns + round(ttft_s * S)
    gaps_us = more.pop("gaps_us", (20_000,) * (tokens - 1))
    last_ns = first_ns + sum(gaps_us) * 1000
    facts = {
        "turn_id": f"{user}-{number}",
        "request_id": f"{user}-{number}",
        "user": user,
        "turn": number,
        "due_ns": sent_ns,
        "sent_ns": sent_ns,
        "first_byte_ns": first_ns,
        "first_token_ns": first_ns,
        "last_token_ns": last_ns,
        "end_ns": last_ns,
        "tokens": tokens,
        "first_event_tokens": 1,
        "gaps_us": gaps_us,
        "ok": True,
    }
    return Turn(**(facts | more))


def failed(code: str, user: int = 0, number: int = 1, sent_s: float = 0.0) -> Turn:
    """A turn that failed at once."""
    at_ns = round(sent_s * S)
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="",
        user=user,
        turn=number,
        due_ns=at_ns,
        sent_ns=at_ns,
        end_ns=at_ns,
        code=code,
    )
