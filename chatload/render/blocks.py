"""What reports are made of: sections of blocks.

The page draws a block with the macro of its `kind` (templates/blocks.html), the terminal with a function of text.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

Legend = Sequence[tuple[Markup, str]]
"""(sample of what was drawn, words) of each entry."""


@dataclass(frozen=True, slots=True)
class Table:
    """The first row is the head; the first `left` columns stand to the left, numbers to the right."""

    kind: ClassVar = "table"
    rows: Sequence[Sequence[str]]
    left: int = 1
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; a `note` is smaller."""

    kind: ClassVar = "paragraph"
    words: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    kind: ClassVar = "items"
    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for."""

    kind: ClassVar = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar = "heading"
    words: str


@dataclass(frozen=True, slots=True)
class Printed:
    """Lines as they are, for the terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class Details:
    """Texts that open on a click; `texts` are (text, whether it is a reply)."""

    kind: ClassVar = "details"
    title: str
    texts: Sequence[tuple[str, bool]]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A headline number; `look` is good, warn, bad or nothing."""

    name: str
    value: str
    unit: str
    lines: Sequence[str]
    look: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """The headline numbers."""

    kind: ClassVar = "cards"
    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Figure:
    """Charts with the question that they answer above, and what was drawn below. `section` is the id of its section."""

    kind: ClassVar = "figure"
    question: str
    note: str
    legend: Legend = ()
    charts: Sequence[Markup] = ()
    columns: int = 1
    section: str = "pictures"


Block = Table | Paragraph | Items | Facts | Heading | Printed | Details | Cards | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report. One with a `look` (good, warn, bad) is a box; one without a title has no heading.

    `text` and `page` say where it is shown.
    """

    title: str
    blocks: Sequence[Block]
    id: str = ""
    look: str = ""
    text: bool = True
    page: bool = True
