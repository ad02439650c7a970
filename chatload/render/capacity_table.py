"""The answer of a capacity search and its levels, in words."""

from __future__ import annotations

from chatload.analysis.capacity_levels import interval_of, levels_of
from chatload.loads.level_search import interval_words
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.verdict import CapacityResult
from chatload.render.blocks import Block, Paragraph, Section, Table
from chatload.render.slo_words import value_words
from chatload.store.journal import Run


def capacity(run: Run, summary: Summary) -> Section | None:
    """The answer and every level tried, in order of users; nothing for any other run."""
    found = run.manifest.capacity
    if found is None:
        return None
    answer, sure = answer_words(found)
    blocks: list[Block] = [Paragraph(f"{sure[:1].upper()}{sure[1:]}.")]
    if found.stopped:
        blocks.append(Paragraph(f"Stopped early: {one_line(found.stopped, 200)}."))
    levels = levels_of(found)
    if levels:
        rows = [
            ["users", "windows", "turns", "verdict", *(metric_words(one.metric) for one in levels[0].slo)]
        ]
        rows += [
            [
                f"{level.users:,}",
                f"{level.windows:,}",
                f"{level.turns:,}",
                level.verdict,
                *map(value_words, level.slo),
            ]
            for level in levels
        ]
        blocks.append(Table(rows, left=0))
    return Section(answer, blocks, id="capacity")


def answer_words(found: CapacityResult) -> tuple[str, str]:
    """(the answer, its interval)."""
    if found.users is None:
        return "Capacity: not found, the run ended before the search", "what was measured"
    return f"Capacity: {found.users:,} chat users within the SLOs", interval_words(*interval_of(found))


def metric_words(metric: str) -> str:
    """A metric's name without its unit: TTFT, decode speed, goodput."""
    words = metric.removesuffix("_ms").replace("_tokens_per_s", " speed").replace("_", " ")
    return words.upper() if words.startswith("ttf") and " " not in words else words
