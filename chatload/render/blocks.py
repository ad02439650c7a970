"""What reports are made of: sections of blocks.

The page draws a block with the macro of its `kind` (templates/blocks.html), the terminal with a function of text.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

Legend = Sequence[tuple[Markup, str]]
"""(sample of what was drawn, words) of each entry."""


class Block:
    """A part of a section. `kind` is the macro that draws it on the page."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """Its class in small letters."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Table(Block):
    """The first row is the head; the first `left` columns stand to the left, numbers to the right."""

    rows: Sequence[Sequence[str]]
    left: int = 1
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph(Block):
    """A paragraph; a `note` is smaller."""

    words: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Items(Block):
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts(Block):
    """Names and what they stand for."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Heading(Block):
    """A heading inside a section."""

    words: str


@dataclass(frozen=True, slots=True)
class Printed(Block):
    """Lines as they are, for the terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class Details(Block):
    """Texts that open on a click; `texts` are (text, whether it is a reply)."""

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
class Cards(Block):
    """The headline numbers."""

    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Figure(Block):
    """Charts with the question that they answer above, and what was drawn below.

    `section` is the id of its section, `name` that of the picture.
    """

    question: str
    note: str
    legend: Legend = ()
    charts: Sequence[Markup] = ()
    columns: int = 1
    section: str = "pictures"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report. One with a `look` (good, warn, bad) is a box; one without a title has no heading.

    `text` says whether the terminal shows it.
    """

    title: str
    blocks: Sequence[Block]
    id: str = ""
    look: str = ""
    text: bool = True
