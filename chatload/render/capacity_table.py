"""The answer of a capacity search and its levels, in words."""

from __future__ import annotations

from chatload.analysis.capacity_levels import answer_of, interval_of, levels_of
from chatload.loads.capacity import USERS
from chatload.loads.level_search import interval_words
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.verdict import MISSED, CapacityResult, LevelResult
from chatload.model.words import plural
from chatload.render.blocks import Block, Paragraph, Section, Table
from chatload.render.slo_words import value_words
from chatload.render.text_table import number
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
            [
                *_heads(found),
                "windows",
                "turns",
                "verdict",
                *(metric_words(one.metric) for one in levels[0].slo),
            ]
        ]
        rows += [
            [
                *_cells(found, level),
                f"{level.windows:,}",
                f"{level.turns:,}",
                f"{level.verdict}{'' if level.sure else ', unsure'}",
                *map(value_words, level.slo),
            ]
            for level in levels
        ]
        blocks.append(Table(rows, left=0))
    return Section(answer, blocks, id="capacity")


def answer_words(found: CapacityResult) -> tuple[str, str]:
    """(the answer, its interval)."""
    answer = answer_of(found)
    if answer == "not found" or found.users is None:
        why = "it stopped early" if found.stopped else "the run ended before the search"
        return f"Capacity: not found, {why}", _so_far(found)
    interval = interval_words(*interval_of(found))
    if answer == "none":
        least = min(level.users for level in found.levels)
        return f"Capacity: none, not even {counted(found, least)} within the SLOs", interval
    users = f"{counted(found, found.users)} within the SLOs"
    if answer == "at least":
        return f"Capacity: at least {users}, stopped {'early' if found.stopped else 'at --most'}", interval
    return f"Capacity: {users}", interval


def _so_far(found: CapacityResult) -> str:
    """What the levels of a search without an answer tell; one that could not be judged tells nothing."""
    met = max((level.users for level in found.levels if level.passed), default=None)
    missed = min((level.users for level in found.levels if level.verdict == MISSED), default=None)
    words = [
        "" if met is None else f"SLOs met with {counted(found, met)}",
        "" if missed is None else f"missed with {counted(found, missed)}",
    ]
    return "the levels measured: " + (", ".join(filter(None, words)) or "none")


def counted(found: CapacityResult, n: int) -> str:
    """“1 chat user”, “30 arriving conversations/min (0.5/s)”."""
    if found.counts == USERS:
        return plural(n, "chat user")
    return f"{n:,} arriving {'conversation' if n == 1 else 'conversations'}/min ({n / 60.0:.3g}/s)"


def _heads(found: CapacityResult) -> list[str]:
    return ["users"] if found.counts == USERS else ["a minute", "1/s", "at once, first quarter", "last"]


def _cells(found: CapacityResult, level: LevelResult) -> list[str]:
    cells = [f"{level.users:,}"]
    if found.counts != USERS:
        cells += [f"{level.users / 60.0:.3g}", *(map(number, level.at_once or (None, None)))]
    return cells


def answer_sentence(found: CapacityResult) -> str:
    """The answer, its interval, and why it stopped early."""
    stopped = f" Stopped early: {one_line(found.stopped, 200)}." if found.stopped else ""
    return f"{'; '.join(answer_words(found))}.{stopped}"


def metric_words(metric: str) -> str:
    """A metric's name without its unit: TTFT, decode speed, goodput."""
    words = metric.removesuffix("_ms").replace("_tokens_per_s", " speed").replace("_", " ")
    return words.upper() if words.startswith("ttf") and " " not in words else words
