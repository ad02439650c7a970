"""The ladder of a capacity search, as its manifest keeps it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatload.pacing.capacity import Capacity, interval_words
from chatload.report.untrusted import one_line


def ladder(manifest: Mapping[str, Any]) -> list[str]:
    """The answer and every level tried, in order of users; nothing for any other run."""
    found = manifest.get("capacity")
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
        values = ", ".join(f"{one['metric']} {_value(one['value'])}" for one in rung["slo"])
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


def _value(value: float | None) -> str:
    return "endless" if value is None else f"{value:.3g}"
