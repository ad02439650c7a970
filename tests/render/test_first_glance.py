"""What report.html says first: the answer, how sure it is, marks, and the picture that explains it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.model.verdict import SloVerdict
from chatload.render.blocks import Figure
from chatload.render.first_glance import certainty, explaining
from chatload.render.html import report_html
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import HERE

NAMES = ("ttft_cdf", "stall_map", "over_time", "gaps", "tokens_per_s", "comparison", "first_token_parts")
FIGURES = [Figure(f"question of {name}", "note", name=name) for name in NAMES]


def runs(*names: str) -> list[Run]:
    return [read_run(HERE / name) for name in names]


def page(found: Sequence[Run], **changes: Any) -> str:
    summaries = [replace(summarise(run), **changes) for run in found]
    return report_html(found, summaries, FIGURES)


def texts(markup: str, pattern: str) -> list[str]:
    return [re.sub(r"<[^>]+>|\s+", " ", one).strip() for one in re.findall(pattern, markup, re.DOTALL)]


def test_the_answer_comes_with_its_intervals_or_with_why_there_are_none() -> None:
    (steady,), (tiny,) = runs("steady"), runs("tiny")
    told = certainty(steady, summarise(steady))
    low, high = summarise(steady).metric("ttft_ms").interval_of("p95") or (0, 0)
    assert re.match(
        rf"95 % intervals: TTFT p95 {low:.0f} … {high:.0f} ms, felt speed p50 .+ tokens/s\.$", told
    )
    assert certainty(tiny, summarise(tiny)) == "How sure that is cannot be told: too short for an interval."
    (dead,) = runs("unreachable")
    assert certainty(dead, summarise(dead)) == ""
    order = [page([steady]).index(words) for words in ("<h1", 'class="sure"', "question of ttft_cdf", "<h2")]
    assert order == sorted(order)


def slo(metric: str, verdict: Any) -> SloVerdict:
    return SloVerdict(f"p95 {metric} <= 1", verdict, metric, 2.0, None, 9, 9)


@pytest.mark.parametrize(
    ("name", "slos", "first"),
    [
        ("steady", (), "ttft_cdf"),
        ("troubled", (), "over_time"),
        ("steady", ("felt_tokens_per_s", "missed"), "tokens_per_s"),
        ("steady", ("max_gap_ms", "missed"), "stall_map"),
        ("steady", ("max_gap_ms", "met"), "ttft_cdf"),
    ],
)
def test_the_picture_that_explains_the_answer_stands_first_and_only_there(
    name: str, slos: tuple[str, ...], first: str
) -> None:
    (run,) = runs(name)
    found = replace(summarise(run), slo=(slo(*slos),) if slos else ())
    assert next(explaining(run, found)) == first
    shown = texts(report_html([run], [found], FIGURES), r"<figure><h3>(.*?)</h3>")
    assert shown[0] == f"question of {first}"
    assert sorted(shown) == sorted(f"question of {name}" for name in NAMES)


def test_two_runs_are_compared_in_marks_those_that_differ_first() -> None:
    told = page(runs("steady", "slower"))
    (head,) = texts(told, r"<h1.*?</h1>")
    assert head == "slower against steady: these two runs differ. Different: TPOT p50, felt speed p50."
    marks = texts(told, r"<li class=\"[a-z]*\">(.*?)</li>")
    assert any(re.match(r"≠ TPOT p50 \+2\d\.\d %", one) for one in marks), marks
    signs = [one[0] for one in marks]
    assert signs == sorted(signs, key=lambda sign: sign in "?="), "what differs comes first"
    assert texts(told, r"<figure><h3>(.*?)</h3>")[0] == "question of comparison"
    heads = texts(told, r"<h2.*?>(.*?)</h2>")
    assert heads.index("Side by side") > next(i for i, one in enumerate(heads) if "against" in one)


def test_of_several_runs_the_answer_counts_and_each_has_a_mark() -> None:
    told = page(runs("steady", "slower", "steady"))
    (head,) = texts(told, r"<h1.*?</h1>")
    assert re.match(r"2 runs against .+: 1 differ, 1 ", head), head
    assert len(texts(told, r"<li class=\"[a-z]*\">(.*?)</li>")) == 2
