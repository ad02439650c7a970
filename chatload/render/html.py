"""report.html: one run, or several side by side, in one file that loads nothing and runs nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chatload.model.sanitize import one_line, plain
from chatload.model.summary import Summary
from chatload.render.blocks import Block, Figure, Section
from chatload.render.first_glance import certainty, explaining
from chatload.render.overview import slo_marks
from chatload.render.report_sections import sections_of
from chatload.render.run_verdict import answer, not_trustworthy
from chatload.render.side_by_side import SideBySide
from chatload.store.journal import Run

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"


def report_html(
    runs: Sequence[Run],
    summaries: Sequence[Summary],
    figures: Sequence[Figure] = (),
    window: str = "",
    *,
    force: bool = False,
    left_out: Sequence[str] = (),
) -> str:
    """The report of one run, or the comparison of several, also of runs that are not alike if `force`.

    `figures` are its pictures (plots/report/figures.py), `left_out` the ids of sections that it is to lack.
    """
    if len(runs) > 1:
        beside = SideBySide(runs, summaries, window, force=force)
        return _page(
            " against ".join(beside.names),
            "chatload comparison",
            beside.answer,
            _with(figures, beside.sections, ["comparison"]),
            " ".join(beside.doubts),
            beside.marks,
            beside.not_alike,
        )
    kept = [one for one in sections_of(runs[0], summaries[0], page=True) if one.id not in left_out]
    return page_of_run(runs[0], summaries[0], kept, figures)


def page_of_run(
    run: Run, summary: Summary, sections: Sequence[Section], figures: Sequence[Figure] = ()
) -> str:
    """The report of one run with these sections of it."""
    scenario = one_line(run.manifest.scenario, 80)
    started = one_line(run.manifest.started_utc, 40)[:19].replace("T", " ")
    over = " · ".join(
        word for word in ("chatload report", scenario, f"{started} UTC" if started else "") if word
    )
    return _page(
        one_line(run.name, 120),
        over,
        answer(run, summary),
        _with(figures, sections, explaining(run, summary)),
        not_trustworthy(summary.validity),
        slo_marks(run, summary),
        certainty(run, summary),
    )


def page_of(
    name: str, over: str, words: str, sections: Sequence[Section], figures: Sequence[Figure] = ()
) -> str:
    """A page of its own: its title, what stands above and below it, sections, and pictures."""
    return _page(name, over, words, _with(figures, sections))


def _with(figures: Sequence[Figure], sections: Sequence[Section], first: Iterable[str] = ()) -> list[Section]:
    """The page's sections with each figure in its own, or in the one for pictures; that one is left out if empty.

    The figure that is named `first`, of several names the first one there is, stands before all sections.
    """
    named = {figure.name: figure for figure in figures}
    top = next((named[name] for name in first if name in named), None)
    ids = {section.id for section in sections}
    placed: dict[str, list[Block]] = {}
    for figure in figures:
        if figure is not top:
            placed.setdefault(figure.section if figure.section in ids else "pictures", []).append(figure)
    filled = [replace(section, blocks=[*section.blocks, *placed.get(section.id, ())]) for section in sections]
    found = [section for section in filled if section.blocks or section.id != "pictures"]
    return [Section("", [top], id="explains"), *found] if top is not None else found


def _page(
    name: str,
    over: str,
    words: str,
    sections: Sequence[Section],
    doubt: str = "",
    marks: Sequence[tuple[str, str]] = (),
    sure: str = "",
) -> str:
    """The whole file. Its policy lets in its own style and nothing else, no script at all."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return (
        _templates()
        .get_template("page.html")
        .render(
            name=name,
            over=over,
            verdict=words,
            doubt=doubt,
            sure=sure,
            marks=marks,
            sections=sections,
            style=Markup(style),
            style_digest=b64encode(sha256(style.encode()).digest()).decode(),
        )
    )


@cache
def _templates() -> Environment:
    """Jinja2 with every text escaped, and its control characters made visible."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )


def _harmless(value: object) -> object:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
