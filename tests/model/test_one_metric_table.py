"""A metric that is added to the table alone is found wherever metrics are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatload.analysis.effects import effects
from chatload.analysis.failed_share import Side
from chatload.analysis.run_names import distinct_names
from chatload.analysis.sample import samples
from chatload.analysis.summary import summarise
from chatload.interop.jtl import own_columns
from chatload.live.live_table import Tally
from chatload.live.locust_page import tab_columns
from chatload.model.metrics import METRICS, Metric, View
from chatload.model.slo import read_objectives
from chatload.model.summary import Summary, content_of
from chatload.render.csv_tables import summary_csv, turns_csv
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.side_by_side import side_by_side_text
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from lab.generate_docs import generated
from tests.runs_builder import HERE

KEY, LABEL = "reads_in_a_ms", "invented"


@pytest.fixture
def invented() -> Iterator[Metric]:
    """A metric that nobody knows but the table."""
    metric = Metric(KEY, LABEL, lambda turn: float(turn.reads), "reads", "for this test")
    METRICS.append(metric)
    yield metric
    METRICS.remove(metric)


@pytest.fixture
def told(invented: Metric) -> tuple[Run, Summary]:
    run = read_run(HERE / "vllm")
    return run, summarise(run)


def test_the_reports_of_one_run_show_it(told: tuple[Run, Summary]) -> None:
    run, summary = told
    assert summary.metric(KEY).n == summary.succeeded
    assert json.loads(json.dumps(content_of(summary)))[KEY]["p50"] > 0
    assert f"  {LABEL} " in report_text(run, summary)
    assert f">{LABEL}<" in report_html([run], [summary])
    assert f"| {LABEL}, ms |" in summary_markdown(run, summary)
    assert KEY in summary_csv([run], [summary])
    assert KEY in turns_csv([run]).splitlines()[0]
    assert KEY in own_columns()


def test_comparisons_show_it(told: tuple[Run, Summary]) -> None:
    run, summary = told
    other = read_run(HERE / "tgi")
    words = side_by_side_text([run, other], [summary, summarise(other)])
    assert f"{LABEL} p95, ms" in words and len(distinct_names([run, other], 20)) == 2


def test_it_is_a_criterion_of_comparisons_only_where_its_row_says_so(invented: Metric) -> None:
    """Each criterion more makes every other verdict harder to reach: it is asked at the level 1 − 0.05 / number."""
    run = read_run(HERE / "vllm")
    side = [Side(run.turns, samples(run.turns, run.manifest.load))]
    before = [one.metric for one in effects(side, side, 0.05)]
    assert len(before) == 6 and f"{KEY}_p50" not in before
    METRICS[METRICS.index(invented)] = asked = replace(
        invented, shown={**invented.shown, View.COMPARISON: ("p50",)}
    )
    assert [one.metric for one in effects(side, side, 0.05)][-3] == f"{KEY}_p50"
    METRICS[METRICS.index(asked)] = invented


def test_slos_may_speak_of_it(invented: Metric) -> None:
    (objective,), mistakes = read_objectives(f"p95 {KEY} <= 500")
    assert (objective.metric, mistakes) == (KEY, [])


def test_the_live_page_shows_it(told: tuple[Run, Summary]) -> None:
    run, _ = told
    tally = Tally()
    for turn in run.turns:
        tally.add(turn)
    assert tally.row()[f"{KEY}_p50"]
    assert {"key": f"{KEY}_p50", "title": "Invented p50 (ms)"} in tab_columns()


def test_the_docs_name_it(invented: Metric) -> None:
    (page,) = [text for path, text in generated().items() if path.name == "metrics.md"]
    assert f"| {LABEL} `{KEY}` | reads | ms | for this test |" in page
