"""A section is declared once: the terminal and the page show it, and each kind of block on both."""

from __future__ import annotations

import pytest

from chatload.analysis.summary import summarise
from chatload.model.sanitize import columns
from chatload.model.summary import Summary
from chatload.render import report_sections
from chatload.render.blocks import Details, Facts, Heading, Items, Paragraph, Section, Table
from chatload.render.html import report_html
from chatload.render.text import report_text, text_of
from chatload.store.journal import Run, read_run
from tests.runs_builder import HERE

BLOCKS = [
    Paragraph("a paragraph"),
    Items(["an item"]),
    Facts([("name", "a fact")]),
    Heading("a heading"),
    Table([["", "head"], ["row", "a cell"]], caption="a caption"),
    Details("a title", [("asked", False), ("a reply", True)], open=True),
]
WORDS = (
    "a paragraph",
    "an item",
    "a fact",
    "a heading",
    "a cell",
    "a caption",
    "a title",
    "asked",
    "a reply",
)


def invented(run: Run, summary: Summary) -> Section:
    return Section("An invented section", BLOCKS)


def test_a_new_section_is_in_text_and_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_sections, "SECTIONS", (*report_sections.SECTIONS, invented))
    run = read_run(HERE / "tiny")
    summary = summarise(run)
    for report in (report_text(run, summary), report_html([run], [summary])):
        assert [words for words in ("An invented section", *WORDS) if words not in report] == []


def test_text_and_page_have_the_same_sections_but_for_what_fits_only_one() -> None:
    run = read_run(HERE / "troubled")
    summary = summarise(run)
    titles = [section.title for section in report_sections.sections_of(run, summary) if section.title]
    text, page = report_text(run, summary), report_html([run], [summary])
    assert {title for title in titles if f"\n\n{title}\n" not in text} == {
        "Pictures",
        "Manifest",
        "How each number is defined",
    }
    assert {title for title in titles if title not in page} == {
        "Pictures",  # without any
        "Over the run: each bar 1 s, from 0 to the highest",
    }


def test_text_wraps_whatever_a_block_holds() -> None:
    long = "word " * 60
    blocks = [
        Paragraph(long),
        Items([long]),
        Facts([("name", long)]),
        Details(long, [(long, True)], open=True),
    ]
    text = text_of([long], [Section(long, blocks)], long)
    assert [line for line in text.split("\n") if columns(line) > 80] == []


def test_a_box_says_all_in_its_title_and_an_empty_section_nothing() -> None:
    text = text_of(["first"], [Section("nothing", []), Section("no warnings", [], look="good")])
    assert text == "first\n\nno warnings\n"
