"""Whether a run is whole: it held what its plan said, or ended as stated, and its journals have all of it."""

from __future__ import annotations

from chatload.analysis.summary import ended_by_time, planned_turns
from chatload.model.sanitize import one_line
from chatload.store.journal import Run


def shortcomings(run: Run) -> list[str]:
    """Why the run is not the whole of what was planned, a sentence each; empty for a run that is."""
    ended = run.manifest.ended
    found = list(_ending(run))
    found += [one_line(words, 200) for words in run.missing]
    counted = run.manifest.turns_heard is not None  # then a line torn in a worker's copy is no loss
    if run.torn_lines and ended != "running" and not counted:
        found.append(
            f"{_count(run.torn_lines, 'journal line')} cannot be read: up to as many turns are lost."
        )
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        found.append(f"{_count(lost, 'journal line')} could not be written: up to as many turns are lost.")
    if not found and not _held(run):
        found.append("No turn was held: nothing was measured.")
    return found


def _ending(run: Run) -> list[str]:
    """What the way it ended says."""
    manifest, held, planned = run.manifest, _held(run), planned_turns(run)
    ended = manifest.ended
    turns = _count(held, "turn") if planned is None else f"{held:,} of {_count(planned, 'planned turn')}"
    if ended == "running":
        return [f"It is still going on, or was killed; {turns} held so far."]
    if ended == "unreachable":
        return ["The server could not be reached: no turn was held."]
    if ended == "failed":
        why = one_line(manifest.failure or "an error ended it", 200)
        return [f"The run failed ({why}); {turns} held."]
    if ended == "interrupted" and not ended_by_time(run) and (planned is None or held < planned):
        return [f"It was stopped before its plan was done: {turns} held."]
    if planned is not None and held < planned and not run.missing:
        return [f"{turns} held: the others are missing."]
    return []


def _held(run: Run) -> int:
    """Turns that came to an end of their own; those we cut short by stopping the run are none."""
    return sum(turn.ok or turn.code != "interrupted" for turn in run.turns)


def _count(n: int, words: str) -> str:
    return f"{n:,} {words}" if n == 1 else f"{n:,} {words}s"
