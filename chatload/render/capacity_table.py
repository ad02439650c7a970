"""The ladder of a capacity search, as its manifest keeps it: in words, and as curves to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatload.analysis.slo_verdict import PART
from chatload.loads.level_search import Capacity, interval_words
from chatload.model.sanitize import one_line
from chatload.model.slo import Objective, read_objectives
from chatload.render.slo_words import value_words
from chatload.store.manifest import Manifest


def ladder(manifest: Manifest) -> list[str]:
    """The answer and every level tried, in order of users; nothing for any other run."""
    found = manifest.capacity
    if not found:
        return []
    if "users" in found:
        lines = [
            f"Capacity: {found['users']:,} chat users within the SLOs",
            "",
            f"  {interval_words(*interval(found))}",
        ]
    else:
        lines = ["Capacity: not found, the run ended before the search", "", "  what was measured:"]
    if found.get("stopped"):
        lines.append(f"  stopped early: {one_line(str(found['stopped']), 70)}")
    lines += ["", "   users windows  turns  verdict    values"]
    for rung in sorted(found["ladder"], key=lambda rung: int(rung["users"])):
        values = ", ".join(f"{plain(one['metric'])} {value_words(one)}" for one in rung["slo"])
        lines.append(
            f"  {rung['users']:>6,} {rung.get('windows', 1):>7,} {rung['turns']:>6,}  {rung['verdict']:<9}  {values}"[
                :80
            ]
        )
    return [*lines, ""]


def interval(found: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The interval of an answer, also of one that was written before it was kept."""
    if "interval" in found:
        low, high = found["interval"]
        return low, high
    return Capacity(found.get("users", 0), found.get("surely_met"), found.get("surely_missed")).interval


def plain(metric: str) -> str:
    """A metric's name without its unit: TTFT, decode speed, goodput."""
    words = metric.removesuffix("_ms").replace("_tokens_per_s", " speed").replace("_", " ")
    return words.upper() if words.startswith("ttf") and " " not in words else words


@dataclass(frozen=True, slots=True)
class Level:
    """What one SLO's metric was with so many users, in the unit of its curve; None is endless, or not known.

    `verdict` is this SLO's own: met, missed, undecided.
    """

    users: int
    turns: int
    verdict: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One SLO over all levels, fewest users first. Shares are in %."""

    objective: Objective
    limit: float
    unit: str
    levels: tuple[Level, ...]


def curves(manifest: Manifest) -> list[Curve]:
    """A curve for each SLO that gates: limits of goodput are in goodput's."""
    rungs = sorted((manifest.capacity or {}).get("ladder") or [], key=lambda rung: int(rung["users"]))
    words = dict.fromkeys(one["slo"] for rung in rungs for one in rung["slo"] if one["verdict"] != PART)
    found = []
    for slo in words:
        objectives, _ = read_objectives(str(slo))
        if not objectives:
            continue
        asked = objectives[0]
        scale = 100.0 if asked.kind == "share" else 1.0
        unit = "%" if asked.kind == "share" else "ms" if asked.metric.endswith("_ms") else "tokens/s"
        levels = tuple(_level(rung, one, scale) for rung in rungs for one in rung["slo"] if one["slo"] == slo)
        found.append(Curve(asked, scale * asked.limit, unit, levels))
    return found


def _level(rung: Mapping[str, Any], one: Mapping[str, Any], scale: float) -> Level:
    low, high = one["interval"] or (one["value"], one["value"])
    value = one["value"]
    return Level(
        int(rung["users"]),
        int(rung["turns"]),
        str(one["verdict"]),
        None if value is None else scale * value,
        None if low is None else scale * low,
        None if high is None else scale * high,
    )
