"""The part of a report where the lengths that were asked stand beside those that the server counted."""

from __future__ import annotations

from chatload.model.achieved_lengths import Achieved, AchievedLengths
from chatload.model.summary import Summary
from chatload.model.words import percent
from chatload.render.blocks import Paragraph, Section, Table
from chatload.store.journal import Run

CACHES = {
    "cold": "Every prompt begins with words that no other run has: the prefix cache had nothing of it.",
    "warm": "Shared beginnings were sent once before the run, outside all figures.",
}


def lengths(run: Run, summary: Summary) -> Section | None:
    """Asked and counted tokens of prompts and answers, and what the prefix cache held; nothing where none was asked."""
    found, load = summary.lengths, run.manifest.load
    if found is None or load is None:
        return None
    rows = [
        *_row("first prompt of a conversation" if load.grows else "prompt", found.prompts),
        *_row("tokens that a later turn adds", found.added),
        *_row("answer", found.answers),
    ]
    blocks: list[Paragraph | Table] = []
    if rows:
        blocks.append(Table([("tokens", "asked, mean", "counted, mean", "within 1 %", "of"), *rows]))
    notes = [
        run.manifest.prompts.words if run.manifest.prompts is not None else "",
        CACHES.get(load.cache, ""),
    ]
    facts = run.manifest.prompts
    known = facts is not None and facts.knows_template
    notes.append(_cache_words(found, beside="" if known else ", beside the chat template"))
    if words := " ".join(filter(None, notes)):
        blocks.append(Paragraph(words, note=True))
    return Section("Lengths and prefix cache", list(blocks), id="lengths") if blocks else None


def _row(name: str, found: Achieved | None) -> list[tuple[str, ...]]:
    if found is None:
        return []
    means = f"{found.asked_mean:,.1f}", f"{found.counted_mean:,.1f}"
    return [(name, *means, percent(found.within_1_percent, 1), f"{found.n:,}")]


def _cache_words(found: AchievedLengths, beside: str) -> str:
    """What the scenario repeats, and what the server found in its cache."""
    repeated, cached = found.repeated_share, found.cached_share
    if repeated is None and cached is None:
        return ""
    ours = "an unknown share" if repeated is None else f"at most {percent(repeated)}"
    beside = "" if repeated is None else beside
    theirs = "does not tell what it found" if cached is None else f"found {percent(cached)}"
    return (
        f"The scenario repeats {ours} of its prompt tokens{beside}; the server {theirs} in its prefix cache."
    )
