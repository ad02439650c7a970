"""How busy the load generator was, and what to do where it spoiled turns: the advice fits the cause."""

from __future__ import annotations

from chatload.analysis.users_held import users_held
from chatload.model.words import percent
from chatload.store.journal import Run

BUSY_CPU_PERCENT = 70.0
"""A process that takes so much of its core at its worst second cannot poll in time (docs/scale.md)."""
PACKED_SHARE = 0.05
"""Share of the events that came in one read with the event before, beyond which the server or a proxy packs them."""
LAGGING_P99_MS = 10.0
"""Beyond this p99 lag of its event loop in a second a process is too late for measurements of a millisecond."""


def packed_share(run: Run) -> float:
    """Share of the good turns' events that came in one read with the event before; 0 without events."""
    events = sum(turn.events for turn in run.turns if turn.ok)
    return sum(turn.coalesced for turn in run.turns if turn.ok) / events if events else 0.0


def busiest_percent(run: Run) -> float | None:
    """CPU of the busiest process in its worst second, in % of a core; None where no health line tells."""
    return max((line.cpu_percent for line in run.health if line.cpu_percent is not None), default=None)


def worst_lag_ms(run: Run) -> float:
    """p99 of the event loop's lag in the worst second of the worst process, in ms."""
    return max((line.hub_lag_p99_ms or 0.0 for line in run.health), default=0.0)


def held_up_ns(run: Run, ms: float) -> list[tuple[int, int]]:
    """From when to when, in ns of the run's clock, a process looked so many ms late or more, a second at a time."""
    found = {
        (line.at_ns - round(1e9 * (line.seconds or 1.0)), line.at_ns)
        for line in run.health
        if (line.hub_lag_max_ms or 0.0) >= ms
    }
    return sorted(found)


def processes(run: Run) -> int:
    """How many processes held turns."""
    return len({turn.worker for turn in run.turns}) or 1


def remedy(run: Run, *, lost: bool = False, lag_is_said: bool = False) -> str:
    """What to do about turns that the load generator spoiled, in a sentence or two; `lost`: journal lines were lost.

    `lag_is_said`: the sentence before tells for how long it was held up.

    Conditions, in this order: no turn marked and no lag but lines lost: the disk. A process was busy: more processes
    while there are cores, else a larger machine; and with how many users it kept up. None was busy, and the event loop
    lagged: others took the cores. None was busy, no lag, events packed: the server. Else the little that is known.
    """
    marked = any(turn.marks for turn in run.turns)
    lag_ms, busy = worst_lag_ms(run), busiest_percent(run)
    if lost and not marked and lag_ms <= LAGGING_P99_MS:
        return "Give the run folder a disk with room, and run again."
    in_use = processes(run)
    used = f"{in_use:,} load generator process{'es' if in_use > 1 else ''} in use"
    if busy is None:
        return f"{used}: give the load generator cores of its own, and run again."
    used += f", the busiest at {busy:.0f} % of a core"
    cores = run.manifest.machine.cores or 0
    if busy > BUSY_CPU_PERCENT:
        held = users_held(run)
        used += f"; with up to {held:,} users it kept up" if held is not None else ""
        if in_use >= cores > 0:
            return f"{used}, and the machine has {cores:,}: use a larger one, or several, and run again."
        return f"{used}: use more --processes, and run again."
    if lag_ms > LAGGING_P99_MS:
        lag = "not short of CPU" if lag_is_said else f"yet held up for {lag_ms:.0f} ms"
        return (
            f"{used}, {lag}: something else takes its cores (the server, a shared host). "
            "Give the load generator cores of its own, and run again."
        )
    if packed_share(run) > PACKED_SHARE:
        return (
            f"{used}, so it was not short of CPU; {percent(packed_share(run))} of the events came several at once: the "
            "server's front end or a proxy sends in bursts. Look at its CPU."
        )
    return f"{used}, so it was not short of CPU: give it a host that it does not share, and run again."
