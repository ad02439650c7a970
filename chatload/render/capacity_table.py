"""The answer of a capacity search and its levels, in words."""

from __future__ import annotations

from chatload.analysis.capacity_levels import interval_of, levels_of
from chatload.loads.level_search import interval_words
from chatload.model.sanitize import one_line
from chatload.model.verdict import CapacityResult
from chatload.render.slo_words import value_words
from chatload.store.manifest import Manifest


def ladder(manifest: Manifest) -> list[str]:
    """The answer and every level tried, in order of users; nothing for any other run."""
    found = manifest.capacity
    if found is None:
        return []
    answer, sure = answer_words(found)
    lines = [answer, "", f"  {sure}"]
    if found.stopped:
        lines.append(f"  stopped early: {one_line(found.stopped, 70)}")
    lines += ["", "   users windows  turns  verdict    values"]
    for level in levels_of(found):
        values = ", ".join(f"{plain(one.metric)} {value_words(one)}" for one in level.slo)
        lines.append(
            f"  {level.users:>6,} {level.windows:>7,} {level.turns:>6,}  {level.verdict:<9}  {values}"[:80]
        )
    return [*lines, ""]


def answer_words(found: CapacityResult) -> tuple[str, str]:
    """(the answer, its interval)."""
    if found.users is None:
        return "Capacity: not found, the run ended before the search", "what was measured:"
    return f"Capacity: {found.users:,} chat users within the SLOs", interval_words(*interval_of(found))


def plain(metric: str) -> str:
    """A metric's name without its unit: TTFT, decode speed, goodput."""
    words = metric.removesuffix("_ms").replace("_tokens_per_s", " speed").replace("_", " ")
    return words.upper() if words.startswith("ttf") and " " not in words else words
