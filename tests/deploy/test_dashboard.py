"""Grafana's dashboard: it can be read, and asks only for what the metrics page has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatload.live.metrics_page import metrics_page
from chatload.model.journal_lines import HealthLine
from lab.prometheus_check import filled
from tests.live.scraped import told
from tests.live.turns import S, failed, turn

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "chatload.json").read_bytes())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
PROMETHEUS_OWN = {"job", "instance", "le"}
"""Labels that Prometheus adds, and that of a bucket."""


def exported() -> dict[str, set[str]]:
    """The labels of each exported sample, by its name."""
    health = HealthLine(
        at_ns=9 * S,
        users=1,
        in_flight=1,
        hub_lag_p99_ms=1.0,
        hub_lag_max_ms=2.0,
        cpu_percent=3.0,
        late_sends=1,
    )
    metrics = told(turn(0, prompt_tokens=4, marks=("hub_lag",)), failed("connect", 1), health, exit_code=0)
    families = text_string_to_metric_families(metrics_page(metrics).decode())
    return {one.name: set(one.labels) | PROMETHEUS_OWN for family in families for one in family.samples}


def asked(query: str) -> list[tuple[str, set[str]]]:
    """(metric, labels of its matchers and of the sums around it) of a query."""
    grouped = {word.strip() for words in re.findall(r"by \(([^)]*)\)", query) for word in words.split(",")}
    found = re.findall(r"\b((?:chatload|gen_ai)_\w+)(?:\{([^}]*)\})", query)
    return [(name, grouped | set(re.findall(r"(\w+)\s*[=!]~?\s*\"", matchers))) for name, matchers in found]


@pytest.mark.parametrize(
    ("title", "query"), QUERIES, ids=[f"{title} {at}" for at, (title, _) in enumerate(QUERIES)]
)
def test_every_query_asks_for_metrics_and_labels_that_are_exported(title: str, query: str) -> None:
    there = exported()
    metrics = asked(query)
    assert metrics, title
    for name, labels in metrics:
        assert name in there, title
        assert labels <= there[name], (title, labels - there[name])
    assert filled(query).count("(") == filled(query).count(")")


def test_a_query_for_something_else_would_be_found() -> None:
    assert asked('sum by (code) (rate(chatload_none_total{job="a", group=~"b"}[5m]))') == [
        ("chatload_none_total", {"code", "job", "group"})
    ]
    assert "chatload_none_total" not in exported()


def test_every_exported_metric_is_on_the_dashboard_but_two() -> None:
    shown = {name.removesuffix("_bucket") for _, query in QUERIES for name, _ in asked(query)}
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported()}
    used = {re.sub(r"_(sum|count)$", "", name) for name in shown}
    assert families - used == {"chatload_warmup_turns_total", "chatload_run_exit_code"}


def test_panels_have_what_grafana_needs() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time", "refresh"} <= DASHBOARD.keys()
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries", "heatmap", "table"), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]


def test_variables_are_asked_of_metrics_that_are_exported() -> None:
    there = exported()
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "job", "model", "group"]
    for variable in DASHBOARD["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        assert label in there[metric]
