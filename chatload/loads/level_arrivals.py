"""When conversations begin at a level of a capacity search in conversations a minute."""

from __future__ import annotations

import random

from chatload.loads.arrival_times import poisson
from chatload.loads.capacity import CapacityLoad


def level_arrivals(
    load: CapacityLoad, a_minute: int, seconds: float, seed: str, reply_s: float
) -> list[tuple[float, int]]:
    """(s from the start of the level, first turn) of each conversation, in order of time.

    Arrivals are a Poisson process. Conversations that began before the start of the level, and would last beyond it
    with replies of `reply_s`, begin with a later turn: else a level would begin empty.
    """
    turn_s = load.think_time.average + reply_s
    before_s = turn_s * load.conversation_turns
    n = 2 * round(a_minute / 60.0 * (before_s + seconds)) + 50
    rng = random.Random(f"arrivals {seed}")
    dues_s = [due / 1e9 - before_s for due in poisson(n, 60.0 / a_minute, rng.getrandbits(32))[1:]]
    found = []
    for number, at_s in enumerate(dues_s):
        if at_s >= seconds:
            break
        if at_s >= 0.0:
            found.append((at_s, 1))
            continue
        turn = 1 + int(-at_s / turn_s)
        phase_s = random.Random(f"phase {seed} {number}").random() * load.think_time.drawn(
            f"phase {seed} {number}"
        )
        if turn <= load.conversation_turns:
            found.append((min(phase_s, seconds), turn))
    return sorted(found)
