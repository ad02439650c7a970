"""A run as a badge for a page or a pull request: an SVG that loads nothing, or JSON for shields.io/endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.analysis.exit_code import FAILED_TURNS, GOOD, MISSED_SLO, UNSURE, UNTRUSTED, code_of
from chatload.model.sanitize import columns, json_text, one_line
from chatload.model.summary import Summary
from chatload.model.verdict import MET, PART
from chatload.model.words import plural
from chatload.render.capacity_table import answer_words
from chatload.render.markup import tag
from chatload.render.text_table import seconds
from chatload.store.journal import Run

COLOURS = {
    GOOD: "#2f7d32",
    UNSURE: "#9a6700",
    FAILED_TURNS: "#b3261e",
    MISSED_SLO: "#b3261e",
    UNTRUSTED: "#6b6b6b",
}
"""By exit code; white text on each has a contrast of 4.5 and more."""
LABEL_COLOUR = "#444444"
WIDTH_OF, PADDING, HEIGHT = 6.6, 6.0, 20
"""px of a column of 11 px text, px beside a text, px of the badge."""
LONGEST = 60
"""Columns of each half."""


@dataclass(frozen=True, slots=True)
class Badge:
    """The left half, the right half, and the colour of that."""

    label: str
    message: str
    colour: str


def badge_of(run: Run, summary: Summary, label: str = "chatload") -> Badge:
    """What a run comes to in a few words: its answer, its SLOs, or TTFT; whether it counts is the colour."""
    code, _ = code_of(run, summary)
    message = _message(run, summary, code)
    if run.manifest.simulation is not None:
        message = f"simulated: {message}"
    return Badge(
        one_line(label, LONGEST), one_line(message, LONGEST), COLOURS.get(code, COLOURS[FAILED_TURNS])
    )


def _message(run: Run, summary: Summary, code: int) -> str:
    if not summary.validity.trustworthy:
        return "not trustworthy"
    if summary.incomplete or not summary.turns:
        return "not complete"
    if run.manifest.capacity is not None:
        return answer_words(run.manifest.capacity)[0].removeprefix("Capacity: ")
    asked = [one for one in summary.slo if one.verdict != PART]
    ttft = summary.metric("ttft_ms")
    name = next((name for name in ("p95", "p50") if name not in ttft.too_small), None)
    words = f"TTFT {name} {seconds(ttft.statistic(name))}" if name is not None and summary.succeeded else ""
    if asked:
        met = sum(one.verdict == MET for one in asked)
        return ", ".join(filter(None, (f"{met} of {plural(len(asked), 'SLO')} met", words)))
    if code == FAILED_TURNS:
        return f"{plural(summary.failures, 'turn')} failed"
    return words or f"{plural(summary.turns, 'turn')}"


def badge_svg(badge: Badge) -> str:
    """The badge; every text is escaped."""
    left, right = _width(badge.label), _width(badge.message)
    whole = f"{badge.label}: {badge.message}"
    parts = [
        tag("title", whole),
        tag("rect", width=f"{left:g}", height=HEIGHT, fill=LABEL_COLOUR),
        tag("rect", x=f"{left:g}", width=f"{right:g}", height=HEIGHT, fill=badge.colour),
        _text(badge.label, left / 2, left),
        _text(badge.message, left + right / 2, right),
    ]
    svg = tag(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        width=f"{left + right:g}",
        height=HEIGHT,
        role="img",
    )
    return f"{svg}\n"


def badge_json(badge: Badge) -> str:
    """As https://shields.io/badges/endpoint-badge wants it."""
    return json_text(
        {
            "schemaVersion": 1,
            "label": badge.label,
            "message": badge.message,
            "color": badge.colour.lstrip("#"),
        }
    )


def _width(text: str) -> float:
    return round(WIDTH_OF * columns(text) + 2 * PADDING, 1)


def _text(words: str, middle: float, width: float) -> object:
    """`textLength`: as wide as its half, whatever font the reader has."""
    return tag(
        "text",
        words,
        x=f"{middle:g}",
        y="14",
        fill="#ffffff",
        font_family="Verdana, DejaVu Sans, sans-serif",
        font_size="11",
        text_anchor="middle",
        textLength=f"{width - 2 * PADDING:g}",
    )
