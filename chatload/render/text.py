"""Sections as text, as wide as the terminal, else 80 columns: what `chatload report`, `compare` and `ab` print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chatload.model.sanitize import columns, plain, shown
from chatload.model.summary import Summary
from chatload.render.blocks import Block, Details, Facts, Heading, Items, Paragraph, Printed, Section, Table
from chatload.render.report_sections import sections_of
from chatload.render.run_verdict import headline
from chatload.render.text_table import indented, one_row, table_that_fits, width
from chatload.store.journal import Run

SAMPLE_LINES = 40
LEAST_BESIDE = 20
"""Columns that the words beside a name need; where there are fewer, they stand below it."""


def report_text(run: Run, summary: Summary) -> str:
    """The whole report of one run."""
    last = "How each number is defined: docs/metrics.md."
    return text_of([headline(run, summary)], sections_of(run, summary), last)


def text_of(first: Sequence[str], sections: Sequence[Section], last: str = "") -> str:
    """Sentences to begin with, sections, and a sentence to end with."""
    lines = [line for words in first for line in indented(words, "", "  ")]
    for section in sections:
        lines += _section(section)
    return shown("\n".join([*lines, *(["", *indented(last, "", "")] if last else [])]) + "\n")


def _section(section: Section) -> list[str]:
    """A blank line, the title, the blocks two columns in; nothing where text shows none of its blocks."""
    lines: list[str] = []
    before: Block | None = None
    for block in section.blocks if section.text else ():
        found = list(_BLOCKS[type(block)](block)) if type(block) in _BLOCKS else []
        apart = isinstance(block, Table | Heading) and not isinstance(before, Heading)
        lines += ["", *found] if lines and found and apart else found
        before = block
    titled = not section.blocks and section.look  # a box that says all in its title
    return ["", *indented(section.title, "", "  "), *lines] if lines or titled else []


def _table(block: Table) -> Iterator[str]:
    if block.caption:
        yield from indented(f"{block.caption}:")
    rows = [[str(cell) for cell in row] for row in block.rows]
    yield from (f"  {line}".rstrip() for line in table_that_fits(rows, block.left))


def _paragraph(block: Paragraph) -> Iterator[str]:
    yield from indented(block.words)


def _items(block: Items) -> Iterator[str]:
    for item in block.items:
        yield from indented(item, "  - ")


def _facts(block: Facts) -> Iterator[str]:
    wide = max(columns(name) for name, _ in block.pairs)
    for name, words in block.pairs:
        if wide + 4 + LEAST_BESIDE > width():
            yield from indented(name)
            yield from indented(words, "    ")
        else:
            yield from indented(words, f"  {name:<{wide}}  ")


def _heading(block: Heading) -> Iterator[str]:
    yield from indented(block.words)


def _printed(block: Printed) -> Iterator[str]:
    yield from (one_row(f"  {line}".rstrip()) for line in block.text.split("\n"))


def _details(block: Details) -> Iterator[str]:
    """The texts of what a page shows opened."""
    if not block.open:
        return
    yield from indented(block.title, "  ", "    ")
    for text, reply in block.texts:
        lead = "  | " if reply else "  > "
        lines = indented(plain(text), lead, lead)
        yield from (line.rstrip() for line in lines[:SAMPLE_LINES])
        if len(lines) > SAMPLE_LINES:
            yield f"  … {len(lines) - SAMPLE_LINES:,} more lines: in the journal, “text” of the turn"


_BLOCKS: dict[type[Block], Callable[..., Iterator[str]]] = {
    Table: _table,
    Paragraph: _paragraph,
    Items: _items,
    Facts: _facts,
    Heading: _heading,
    Printed: _printed,
    Details: _details,
}
"""How text shows each kind of block; cards and figures are for the page."""
