"""The section of a report on where the time until the first token went."""

from __future__ import annotations

from chatload.analysis.first_token import NAMES, OUTSIDE
from chatload.model.first_token import FirstTokenPart, FirstTokenTime
from chatload.model.summary import Summary
from chatload.model.words import percent, plural
from chatload.render.blocks import Block, Items, Paragraph, Section, Table
from chatload.render.text_table import ABSENT, number, seconds
from chatload.store.journal import Run


def first_token(run: Run, summary: Summary) -> Section | None:
    """The parts of the mean TTFT and who tells each; on the page only where the server tells none."""
    found = summary.first_token
    if found is None:
        return None
    rows = [["", "mean", "of the TTFT", "told by"]]
    rows += [[one.name, seconds(one.ms), share_of(one, found), _by(one)] for one in in_order(found)]
    rows.append(["TTFT", seconds(found.ttft_ms), "100 %", f"client, {plural(found.turns, 'turn')}"])
    notes = [*([found.doubt] if found.doubt else []), *found.unknown]
    blocks: list[Block] = [Table(rows), *([Items([_sentence(one) for one in notes])] if notes else [])]
    blocks.append(Paragraph(_beside(found), note=True))
    told = any(one.by.startswith("server") for one in found.parts)
    return Section("Where the first token’s time went", blocks, id="first_token", text=told)


def in_order(found: FirstTokenTime) -> list[FirstTokenPart]:
    """The parts as they are shown."""
    return sorted(found.parts, key=lambda one: NAMES.index(one.name))


def share_of(one: FirstTokenPart, found: FirstTokenTime) -> str:
    """A part of the TTFT, in percent."""
    return percent(one.ms / found.ttft_ms) if found.ttft_ms > 0 else ABSENT


def _by(one: FirstTokenPart) -> str:
    if one.counted is not None:
        return f"{one.by}, {one.counted:,.0f} requests"
    if one.by == "difference":
        return "client − server" if one.name == OUTSIDE else "what is left"
    return one.by


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _beside(found: FirstTokenTime) -> str:
    stretch = f" ({found.stretch})" if found.stretch else ""
    words = f"Means of the good turns that ended between two readings{stretch}; the parts add up to their mean TTFT."
    if not any(one.by.startswith("server, /metrics") for one in found.parts):
        words = f"Means of the good turns{stretch}; the parts add up to their mean TTFT."
    before = (
        f" Before TTFT begins: {number(found.connect_ms)} ms to connect, {number(found.send_ms)} ms to send."
    )
    headers = "" if found.headers_ms is None else f" The headers came after {seconds(found.headers_ms)}."
    return words + before + headers
