"""The ladder of a capacity search, as its manifest keeps it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatload.report.untrusted import one_line


def ladder(manifest: Mapping[str, Any]) -> list[str]:
    """The answer and every level tried, in order of users; nothing for any other run."""
    found = manifest.get("capacity")
    if not found:
        return []
    low, high = found.get("surely_met"), found.get("surely_missed")
    lines = [f"Capacity: {found.get('users', 0):,} chat users within the SLOs", ""]
    lines.append(f"  surely at least {low:,}" if low else "  no level surely met them: measure longer")
    lines[-1] += f", surely fewer than {high:,} (95 % a level)" if high else ", and none surely missed them"
    if found.get("stopped"):
        lines.append(f"  stopped early: {one_line(str(found['stopped']), 70)}")
    lines += ["", "   users  turns  verdict    values"]
    for rung in sorted(found["ladder"], key=lambda rung: int(rung["users"])):
        values = ", ".join(f"{one['metric']} {_value(one['value'])}" for one in rung["slo"])
        lines.append(f"  {rung['users']:>6,} {rung['turns']:>6,}  {rung['verdict']:<9}  {values}"[:80])
    return [*lines, ""]


def _value(value: float | None) -> str:
    return "endless" if value is None else f"{value:.3g}"
