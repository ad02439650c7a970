"""Conversations drawn from a known law: what statistics are tested on."""

from __future__ import annotations

import random

from chatload.model.turn import Turn

MS = 1_000_000


def drawn_run(
    chance: random.Random,
    *,
    users: int = 100,
    turns: int = 10,
    slower: float = 1.0,
    between: float = 0.15,
    within: float = 0.25,
    failing: float = 0.0,
) -> list[Turn]:
    """A closed-loop run: log TTFT and log TPOT have a part of the user's own (`between`) and one of each turn.

    `slower` multiplies TTFT and TPOT; `failing` is the share of conversations whose every turn fails.
    """
    made = []
    for user in range(users):
        own_ttft, own_tpot = chance.gauss(0, between), chance.gauss(0, between / 3)
        fails, due_ns = chance.random() < failing, user * 100 * MS
        for number in range(1, turns + 1):
            ttft_ms = 100.0 * slower * 2.718281828 ** (own_ttft + chance.gauss(0, within))
            tpot_ms = 20.0 * slower * 2.718281828 ** (own_tpot + chance.gauss(0, within / 3))
            tokens = chance.randint(40, 80)
            first_ns = due_ns + round(ttft_ms * MS)
            last_ns = first_ns + round(tpot_ms * (tokens - 1) * MS)
            made.append(
                Turn(
                    turn_id=f"{user}-{number}", request_id="", user=user, turn=number, due_ns=due_ns, sent_ns=due_ns,
                    first_token_ns=first_ns, last_token_ns=last_ns, end_ns=last_ns, tokens=tokens,
                    first_event_tokens=1, events=tokens, ok=not fails, code="truncated" if fails else None,
                )
            )  # fmt: skip
            due_ns = last_ns + 2_000 * MS
    return made
