"""report.html: one run, or several side by side, in one file that loads nothing and runs nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chatload.analysis.run_names import distinct_names
from chatload.model.sanitize import one_line, plain
from chatload.model.summary import Summary
from chatload.render import html_capacity, html_details, html_sections
from chatload.render.blocks import Block, Section
from chatload.render.html_charts import charts
from chatload.render.html_compare import comparison
from chatload.render.html_lanes import swim_lanes
from chatload.render.html_server import server
from chatload.render.side_by_side import verdict as comparison_verdict
from chatload.render.text import verdict
from chatload.store.journal import Run
from chatload.store.manifest import write_private

Part = Callable[[Run, Summary], Section | None]
REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"


def ttft_limits(summary: Summary) -> list[tuple[str, float]]:
    """(words, ms) of each SLO that speaks of TTFT: lines in the chart."""
    found = []
    for one in summary.slo:
        limit = one.slo.replace("≤", "<=").rpartition("=")[2].split()
        if one.metric == "ttft_ms" and limit:
            try:
                found.append((f"SLO {one.slo}", float(limit[0].replace("_", ""))))
            except ValueError:
                continue
    return found


def _pictures(run: Run, summary: Summary) -> Section | None:
    if not run.turns:
        return None
    blocks: list[Block] = [swim_lanes(run), *charts([run], ttft_limits(summary))]
    return Section("Pictures", blocks, id="pictures")


PARTS: tuple[Part, ...] = (
    html_sections.trust,
    html_sections.slos,
    html_capacity.capacity,
    html_sections.cards,
    html_details.plan,
    _pictures,
    html_sections.distributions,
    html_sections.system,
    server,
    html_sections.listeners,
    html_sections.failures,
    html_sections.hang_ups,
    html_details.stalls,
    html_details.samples,
    html_details.manifest,
)
"""The map of the report of one run, from top to bottom."""


def report_html(runs: Sequence[Run], summaries: Sequence[Summary]) -> str:
    """The report of one run, or the comparison of several."""
    if len(runs) > 1:
        names = distinct_names(runs, 40)
        words = comparison_verdict(names, summaries, runs)
        return _page(" against ".join(names), "chatload comparison", words, comparison(runs, summaries))
    run, summary = runs[0], summaries[0]
    scenario = one_line(run.manifest.scenario, 80)
    started = one_line(run.manifest.started_utc, 40)[:19].replace("T", " ")
    over = " · ".join(
        word for word in ("chatload report", scenario, f"{started} UTC" if started else "") if word
    )
    sections = [section for part in PARTS if (section := part(run, summary)) is not None]
    return _page(one_line(run.name, 120), over, verdict(summary), [*sections, html_details.definitions()])


def _page(name: str, over: str, words: str, sections: Sequence[Section]) -> str:
    """The whole file. Its policy lets in its own style and nothing else, no script at all."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return (
        _templates()
        .get_template("page.html")
        .render(
            name=name,
            over=over,
            verdict=words,
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


def write_report(path: Path, runs: Sequence[Run], summaries: Sequence[Summary]) -> None:
    """Write the report whole or not at all. OSError if it cannot be."""
    write_private(path, report_html(runs, summaries).encode())
