"""A section is declared once: the terminal and the page show it, and each kind of block on both."""

from __future__ import annotations

import pytest

from chatload.analysis.comparison import compare_runs
from chatload.analysis.run_names import distinct_names
from chatload.analysis.summary import summarise
from chatload.model.journal_lines import HealthLine
from chatload.model.sanitize import columns
from chatload.model.summary import Summary
from chatload.render import report_sections
from chatload.render.blocks import Cards, Details, Facts, Heading, Items, Paragraph, Section, Table
from chatload.render.comparison_words import comparison_text
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.overview import cards
from chatload.render.side_by_side import side_by_side_text
from chatload.render.text import report_text, text_of
from chatload.render.text_table import number
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.plans import plan_of
from tests.runs_builder import HERE, START_NS

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


HEALTH = (HealthLine(at_ns=START_NS, seconds=1.0, hub_lag_p99_ms=1.0, cpu_percent=20.0),)


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
        "Where the first token’s time went",  # the server of this run told none of it
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


def labelled(name: str, label: str) -> Run:
    run = read_run(HERE / name)
    return replace(run, manifest=replace(run.manifest, label=label))


def test_a_label_is_in_every_report() -> None:
    """Of one run, of several, in summary.md; runs of one label are numbered, others keep their names."""
    run, other = labelled("steady", "prefill on"), labelled("slower", "prefill off")
    summaries = [summarise(run), summarise(other)]
    assert "\n  Label       prefill on\n" in report_text(run, summaries[0])
    assert "Label  " not in report_text(labelled("steady", ""), summaries[0])
    assert summary_markdown(run, summaries[0]).startswith("## chatload: chat-100 (prefill on)\n")
    assert "()" not in summary_markdown(labelled("steady", ""), summaries[0]).partition("\n")[0]
    assert distinct_names([run, other, labelled("vllm", "prefill on")], 26) == [
        "prefill on 1",
        "prefill off",
        "prefill on 3",
    ]
    several = side_by_side_text(
        [run, other, read_run(HERE / "vllm")], [*summaries, summarise(read_run(HERE / "vllm"))]
    )
    assert "Label: prefill on." in " ".join(several.split()) and "prefill off against prefill on" in several


def test_a_card_is_of_the_stretch_that_percentiles_are_of_and_says_so() -> None:
    """A stretch with all users in that is too short for them gives no tokens/s to quote either."""
    for name, stretch, why in (
        ("tiny", "whole run", "too short for an interval"), ("steady", "all users in", "95 %: "),
    ):  # fmt: skip
        run = read_run(HERE / name)
        found = summarise(run)
        section = cards(run, found)
        assert section is not None and isinstance(section.blocks[0], Cards)
        told = {card.name: card for card in section.blocks[0].cards}
        assert told["TTFT p50"].lines[0].startswith(why) and stretch in told["TTFT p50"].lines
        output = told["output of the server"]
        assert output.lines[-1] == stretch
        rates = found.throughput if name == "tiny" else found.steady
        assert rates is not None and output.value == number(rates.tokens_per_s)
        if name == "tiny":
            assert found.window.no_interval in report_text(run, found).lower()
    plan = plan_of("capacity", {"host": "http://gpu", "slo": "p95 ttft_ms <= 500"})
    section = cards(replace(run, manifest=replace(run.manifest, plan=plan)), found)
    assert section is not None and isinstance(section.blocks[0], Cards)
    assert [card.name for card in section.blocks[0].cards] == ["failed turns", "replies with a stall"]


def test_only_an_interrupted_run_is_called_so() -> None:
    run = read_run(HERE / "steady")
    cut = replace(run, turns=run.turns[:66], manifest=replace(run.manifest, ended="interrupted"))
    assert report_text(cut, summarise(cut)).startswith(
        "Interrupted. 66 of 66 turns held good (240 were planned);"
    )
    assert report_text(run, summarise(run)).startswith("240 of 240 turns good;")
    late = replace(run, manifest=replace(run.manifest, ended="interrupted"))
    assert report_text(late, summarise(late)).startswith("240 of 240 turns good;"), (
        "all that was planned was held"
    )


def test_what_an_untrustworthy_run_says_first_is_said_once() -> None:
    run = read_run(HERE / "steady")
    spoiled = replace(run, turns=tuple(replace(turn, marks=("clock_step",)) for turn in run.turns))
    lagging = replace(spoiled, health=tuple(replace(one, hub_lag_p99_ms=40.0) for one in HEALTH))
    for one in (spoiled, lagging):
        found = summarise(one)
        words = " ".join(report_text(one, found).split())
        assert not found.validity.trustworthy and found.validity.remedy
        assert words.startswith("NOT TRUSTWORTHY") and words.count("NOT TRUSTWORTHY") == 1
        assert words.count(" ".join(found.validity.remedy.split())) == 1
    held_up = replace(run, health=lagging.health)
    assert "own, and run again." in " ".join(report_text(held_up, summarise(held_up)).split()), (
        "the cure is a warning's"
    )


def test_what_all_comparisons_warn_of_is_said_once() -> None:
    runs = [read_run(HERE / name) for name in ("steady", "slower", "vllm")]
    words = side_by_side_text(runs, [summarise(run) for run in runs])
    assert words.count("1 run a side") == 1


def test_no_verdict_is_promised_where_none_was_reached() -> None:
    steady, slower, tiny = (read_run(HERE / name) for name in ("steady", "slower", "tiny"))
    again = replace(tiny, manifest=replace(tiny.manifest, run_id="again"))
    reached, none = (comparison_text(compare_runs([a], [b])) for a, b in ((steady, slower), (tiny, again)))
    assert "all 6 verdicts are right together in 95 of 100 cases" in " ".join(reached.split())
    assert "no verdict was reached" in " ".join(none.split()) and "95 of 100" not in none
