"""Whether a run is complete: it held all planned turns, or ended as planned, and its journals have all of them."""

from __future__ import annotations

from collections.abc import Iterable

from chatload.analysis.context_use import not_held
from chatload.loads.sweep import WARM_UP
from chatload.model.sanitize import one_line
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.store.journal import Run

TIMER_S = 1.0
"""Locust's clock of --run-time may start so long before ours."""


def planned_chat(run: Run) -> tuple[int, int] | None:
    """(users, turns each) of the plan; None where the load is no chat, or not all hold as many."""
    load = run.manifest.load
    plan, known = run.manifest.plan, None if load is None else load.users_and_turns
    if known is None or plan is None or not plan.warmup:
        return known
    return (known[0], known[1] - plan.warmup.turns) if plan.warmup.turns else None


def planned_turns(run: Run) -> int | None:
    """Turns the plan comes to beside its warm-up, for each kind of load.

    None where the manifest does not say, time ended the run, or its number of users was edited. Turns before
    the first level of a sweep are beyond its plan.
    """
    load = run.manifest.load
    if load is None or run.manifest.edits or ended_by_time(run) or load.turns_planned is None:
        return None
    return max(0, load.turns_planned - _count(turn for turn in run.warmup if turn.group != WARM_UP))


def ended_by_time(run: Run) -> bool:
    """True when --run-time ended the run: then its plan was a length of time, and no number of turns."""
    manifest = run.manifest
    limit_s, began_ns, ended_ns = manifest.run_time_s, manifest.started_ns, manifest.ended_ns
    if manifest.ended != "interrupted" or not limit_s or began_ns is None or ended_ns is None:
        return False
    return (ended_ns - began_ns) / 1e9 >= limit_s - min(TIMER_S, limit_s / 2)


def shortcomings(run: Run) -> list[str]:
    """Why the run is not the whole of what was planned, a sentence each; empty for a run that is."""
    ended = run.manifest.ended
    found = [*_ending(run), *(one_line(words, 200) for words in run.missing)]
    counted = run.manifest.turns_heard is not None  # then a line torn in a worker's copy is no loss
    if run.torn_lines and ended != "running" and not counted:
        found.append(
            f"{plural(run.torn_lines, 'journal line')} cannot be read: up to as many turns are lost."
        )
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        found.append(f"{plural(lost, 'journal line')} could not be written: up to as many turns are lost.")
    if not found and not _held(run):
        words = "Every turn was of the warm-up" if run.warmup else "No turn was held"
        found.append(f"{words}: nothing was measured.")
    return found


def _ending(run: Run) -> list[str]:
    """What the way it ended says."""
    manifest, held, planned = run.manifest, _held(run), planned_turns(run)
    left_out = not_held(run.turns) + sum(max(0, turn.not_held - 1) for turn in run.warmup)
    ended = manifest.ended
    turns = plural(held, "turn") if planned is None else f"{held:,} of {plural(planned, 'planned turn')}"
    turns += f" ({left_out:,} not held: context full)" if left_out else ""
    planned = None if planned is None else max(0, planned - left_out)
    if ended == "running":
        return [f"It is still going on, or was killed; {turns} held so far."]
    if ended == "unreachable":
        return ["The server could not be reached: no turn was held."]
    if ended == "failed":
        why = one_line(manifest.failure or "an error ended it", 200)
        return [f"The run failed ({why}); {turns} held."]
    load = manifest.load
    is_plan = ended_by_time(run) or (load is not None and load.until_stopped and not manifest.run_time_s)
    if ended == "interrupted" and not is_plan and (planned is None or held < planned):
        return [f"It was stopped before its plan was done: {turns} held."]
    if planned is not None and held < planned and not run.missing:
        return [f"{turns} held: the others are missing."]
    return []


def _held(run: Run) -> int:
    """Turns that came to an end of their own; those we cut short by stopping the run are none."""
    return _count(turn for turn in run.turns if not turn.not_held)


def _count(turns: Iterable[Turn]) -> int:
    return sum(turn.ok or turn.code != "interrupted" for turn in turns)
