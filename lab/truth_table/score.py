"""Compares what a client told of a reply with the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.truth_table.case import Case
from lab.truth_table.server import Played

ESTIMATED_SHARE = 0.08
"""How far a TPOT may be off that can only be estimated."""
FIGURES = ("tokens", "ttft_ms", "ttfa_ms", "tpot_ms", "e2e_ms")


@dataclass(frozen=True)
class Verdict:
    """`wrong` and `untold`: the keys that were wrong or not told, the former with what was told."""

    wrong: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


def verdict(case: Case, told: Mapping[str, object], tolerance_ms: float, late_ms: float = 0.0) -> Verdict:
    """What a client told wrongly. `told` has `ok`, and of a good reply FIGURES; `error` of a failed one.

    `late_ms`: how late the server itself was. Every time may be that much longer, never shorter, and TPOT off by the
    share of one token in it, either way.
    """
    ok = told.get("ok")
    if not isinstance(ok, bool):
        return Verdict(untold=("ok",))
    if case.code is not None and not (case.either and ok):
        return Verdict((f"a good reply; it failed ({case.code})",)) if ok else Verdict()
    if not ok:
        return Verdict((f"failed: {told.get('error') or 'without words'}"[:160],))
    wrong, untold = [], []
    for key in FIGURES:
        value, truth = told.get(key), getattr(case.truth, key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            untold.append(key)
            continue
        early = late = 0.0 if key == "tokens" else tolerance_ms
        if key == "tpot_ms":
            early = late = tolerance_ms + late_ms * truth / (case.truth.e2e_ms - case.truth.ttft_ms)
            if case.truth.estimated:
                early = late = max(late, ESTIMATED_SHARE * truth)
        elif key != "tokens":
            late += late_ms
        if not truth - early <= value <= truth + late:
            wrong.append(f"{key} {value:.4g} for {truth:.4g}")
    return Verdict(tuple(wrong), tuple(untold))


def lateness_ms(case: Case, played: Played) -> float:
    """How late the server itself was at worst."""
    late = [
        (at_ns - played.received_ns) / 1e6 - at_ms
        for at_ns, (at_ms, _) in zip(played.sent_by_ns, case.steps, strict=True)
    ]
    return max(late, default=0.0)
