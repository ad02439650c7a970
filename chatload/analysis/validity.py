"""Whether a run's measurement can be trusted at all: what the load generator itself may have spoiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chatload.analysis.distribution import describe
from chatload.model.errors import NO_FAILURES
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import metric
from chatload.model.turn import Turn
from chatload.store.journal import Run
from chatload.store.manifest import Manifest, WorkerFacts

SPOILING = {
    "censored_first": "first token's time is only an interval, because we looked late",
    "hub_lag": "our own lag is inside the first token's time",
    "late_send": "sent late",
    "clock_step": "the machine's clock was set meanwhile",
}
"""Marks that make a turn spoiled, in words."""

MOST_SPOILED = 0.01
"""Share of spoiled turns beyond which the run is untrustworthy; a single turn never makes it so."""

MOST_LAGGING = 0.01
"""Share of the time with a lag over 20 ms beyond which user-space stamps are: p99 lag is then above 20 ms."""

WITHOUT = ("ttft_ms", "e2e_ms", "tpot_ms", "felt_tokens_per_s")

Trust = Mapping[str, Any]


def validity_of(run: Run) -> dict[str, Any]:
    """Part "trust" of the summary: {trustworthy, reasons, spoiled, turns, share, marks, lagging_share, …}.

    `without_spoiled` holds the distributions over the good turns that are not spoiled, null when none is.
    """
    turns = [turn for turn in run.turns if turn.ok or turn.code not in NO_FAILURES]
    spoiled = [turn for turn in turns if is_spoiled(turn)]
    share = len(spoiled) / len(turns) if turns else 0.0
    lagging = _lagging_share(run.health)
    marks = Counter(mark for turn in spoiled for mark in turn.marks if mark in SPOILING)
    reasons = []
    if share > MOST_SPOILED and len(spoiled) > 1:
        words = "; ".join(f"{n:,}: {SPOILING[mark]}" for mark, n in marks.most_common())
        reasons.append(
            f"{len(spoiled):,} of {len(turns):,} turns may be spoiled by the load generator ({words})"
        )
    if lagging > MOST_LAGGING and any(turn.stamp_source != "kernel" for turn in turns):
        reasons.append(
            f"the load generator lagged more than 20 ms for {lagging:.1%} of the time, "
            "and stamps were taken in user space"
        )
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        reasons.append(f"{lost:,} journal lines could not be written")
    return {
        "trustworthy": not reasons,
        "reasons": reasons,
        "spoiled": len(spoiled),
        "turns": len(turns),
        "share": share,
        "marks": dict(marks.most_common()),
        "lagging_share": lagging,
        "without_spoiled": _without(turns) if spoiled else None,
    }


def is_spoiled(turn: Turn) -> bool:
    """True when the client itself may have spoiled the turn's figures."""
    return any(mark in SPOILING for mark in turn.marks)


def first_words(trust: Trust | None) -> str | None:
    """What every report of an untrustworthy run says first; None where there is nothing to say."""
    if trust is None or trust["trustworthy"]:
        return None
    reasons = "; ".join(trust["reasons"])
    return f"NOT TRUSTWORTHY: {reasons}. Give the load generator a core of its own, or --processes, and run again."


def certificate_words(manifest: Manifest) -> str:
    """What is known of the client's own error where it ran (`python -m chatload certify`): of the worst worker."""
    workers = [each for each in manifest.workers.values() if each.machine is not None]
    places: list[Manifest | WorkerFacts] = [*workers] or [manifest]
    certified = [(each, each.certificate) for each in places if each.certificate]
    if not certified:
        return "no certificate: the client's accuracy was not measured on this machine (python -m chatload certify)"
    p99_ms = max(_number((made.get("ttft_error_ms") or {}).get("p99")) for _, made in certified)
    users = min(_number((made.get("load") or {}).get("users")) for _, made in certified)
    words = f"client error ≤ {p99_ms:.2g} ms at p99 of TTFT, certified at {users:.0f} users"
    if workers:
        words += f" a worker, {len(certified)} of {len(workers)} workers"
    strange = []
    if any(made.get("machine") != msgspec.to_builtins(each.machine) for each, made in certified):
        strange.append("machine")
    if any(made.get("versions") != each.versions for each, made in certified):
        strange.append("versions")
    if manifest.load is not None and manifest.load.users > users * len(places):
        strange.append("fewer users")
    return f"{words} (but with another: {', '.join(strange)})" if strange else words


def _lagging_share(health: Sequence[HealthLine]) -> float:
    told = [
        (line.lagging_ms, line.seconds) for line in health if line.lagging_ms is not None and line.seconds
    ]
    seconds = sum(length_s for _, length_s in told)
    return sum(lagging_ms for lagging_ms, _ in told) / 1e3 / seconds if seconds else 0.0


def _without(turns: Sequence[Turn]) -> dict[str, Any]:
    clean = [turn for turn in turns if turn.ok and not is_spoiled(turn)]
    return {
        name: describe([value for value in map(metric(name).value, clean) if value is not None])
        for name in WITHOUT
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
