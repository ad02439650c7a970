"""report.html: one run, or several side by side, in one file that loads nothing and runs nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from chatload.analysis.run_names import distinct_names
from chatload.model.sanitize import one_line
from chatload.render import html_capacity, html_details, html_sections
from chatload.render.html_charts import charts
from chatload.render.html_compare import comparison
from chatload.render.html_lanes import swim_lanes
from chatload.render.html_server import server
from chatload.render.html_style import STYLE
from chatload.render.markup import Html, joined, tag
from chatload.render.text import verdict
from chatload.store.journal import Run
from chatload.store.manifest import write_private

Summary = Mapping[str, Any]
Part = Callable[[Run, Summary], Html | None]
REPORT = "report.html"


def ttft_limits(summary: Summary) -> list[tuple[str, float]]:
    """(words, ms) of each SLO that speaks of TTFT: lines in the chart."""
    found = []
    for one in summary.get("slo") or []:
        limit = one["slo"].replace("≤", "<=").rpartition("=")[2].split()
        if one["metric"] == "ttft_ms" and limit:
            try:
                found.append((f"SLO {one['slo']}", float(limit[0].replace("_", ""))))
            except ValueError:
                continue
    return found


def _pictures(run: Run, summary: Summary) -> Html | None:
    if not run.turns:
        return None
    return joined(
        [tag("h2", "Pictures", id="pictures"), swim_lanes(run), charts([run], ttft_limits(summary))]
    )


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
        return page(" against ".join(names), comparison(runs, summaries))
    run, summary = runs[0], summaries[0]
    name = one_line(run.name, 120)
    scenario = one_line(run.manifest.get("scenario") or "", 80)
    started = one_line(run.manifest.get("started_utc") or "", 40)[:19].replace("T", " ")
    over = " · ".join(
        word for word in ("chatload report", scenario, f"{started} UTC" if started else "") if word
    )
    head = [tag("p", over, class_="over"), tag("h1", name), tag("p", verdict(summary), class_="verdict")]
    parts = [part(run, summary) for part in PARTS]
    return page(name, joined([*head, *parts, html_details.definitions()]))


def page(name: str, content: Html) -> str:
    """The whole file around the content. The policy lets in this style and nothing else, no script at all."""
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = joined([
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="referrer" content="no-referrer">'),
        Html('<link rel="icon" href="data:,">'),
        tag("title", f"{name} – chatload report"),
        Html(f"<style>{STYLE}</style>"),
    ])  # fmt: skip
    foot = tag(
        "footer", "Made by chatload from the journal of the run. This file loads nothing and runs nothing."
    )
    body = tag("body", tag("main", content, foot))
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n{body}\n</html>\n'


def write_report(path: Path, runs: Sequence[Run], summaries: Sequence[Summary]) -> None:
    """Write the report whole or not at all. OSError if it cannot be."""
    write_private(path, report_html(runs, summaries).encode())
