"""What Prometheus is told of a run: sums of its turns, from journal lines made by hand."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatload.live.bucket_counts import BucketCounts
from chatload.live.live_run import BATCH, LiveRun
from chatload.live.metrics_page import metrics_page
from chatload.live.metrics_port import answering
from chatload.live.run_metrics import MOST_PARTS, OTHER, SILENT_NS, RunMetrics
from chatload.model.hosts import FoundServer, ServerFacts
from chatload.model.journal_lines import HealthLine
from tests.live.scraped import told
from tests.live.turns import S, failed, turn

TGI = ServerFacts(model="small", dialect="tgi", found=FoundServer("TGI", "3"), classes=("Coder",))
NASTY = 'a"}\n\x1b[31m' + "x" * 200


def samples(metrics: RunMetrics, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
    """(labels, value) of each sample of this name that has these labels."""
    return [
        (one.labels, one.value)
        for family in text_string_to_metric_families(metrics_page(metrics).decode())
        for one in family.samples
        if one.name == name and labels.items() <= one.labels.items()
    ]


def value(metrics: RunMetrics, name: str, **labels: str) -> float:
    (found,) = samples(metrics, name, **labels)
    return found[1]


def test_buckets_count_as_prometheus_does() -> None:
    """A value that equals a bound is within it."""
    bounds = (1.0, 2.0, 5.0)
    values = [random.Random(3).choice((0.5, 1.0, 1.5, 2.0, 4.9, 5.0, 7.0)) for _ in range(200)]
    one, many = BucketCounts(bounds), BucketCounts(bounds)
    for each in values:
        one.add(each)
    many.add_all([each * 1000 for each in values], 1e-3)
    expected = [(name, sum(each <= float(name) for each in values)) for name in ("1.0", "2.0", "5.0", "+Inf")]
    assert one.cumulative() == many.cumulative() == expected
    assert one.total == pytest.approx(sum(values)) == many.total


def test_turns_tokens_and_times_by_hand() -> None:
    """TTFT 100 and 300 ms, 11 tokens each, then one every 20 ms: E2E 300 and 500 ms; one failed after nothing."""
    metrics = told(
        turn(0, ttft_s=0.1, prompt_tokens=40), turn(1, ttft_s=0.3, usage_tokens=12), failed("http_5xx", 2),
        failed("interrupted", 3), turn(4, warmup=True),
    )  # fmt: skip
    labels = {"group": "", "gen_ai_request_model": "m", "dialect": "openai", "gen_ai_provider_name": "vLLM"}
    ttft = "gen_ai_server_time_to_first_token_seconds"
    assert value(metrics, f"{ttft}_count", **labels, gen_ai_operation_name="chat") == 2
    assert value(metrics, f"{ttft}_sum") == pytest.approx(0.4)
    assert value(metrics, f"{ttft}_bucket", le="0.1") == 1
    assert value(metrics, f"{ttft}_bucket", le="0.25") == 1
    assert value(metrics, f"{ttft}_bucket", le="0.5") == 2
    duration = "gen_ai_client_operation_duration_seconds"
    assert value(metrics, f"{duration}_sum", error_type="") == pytest.approx(0.8)
    assert value(metrics, f"{duration}_count", error_type="http_5xx") == 1
    assert not samples(metrics, f"{duration}_count", error_type="interrupted")
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_sum") == pytest.approx(0.04)
    assert value(metrics, "chatload_event_gap_seconds_count") == 20
    assert value(metrics, "chatload_event_gap_seconds_sum") == pytest.approx(0.4)
    assert value(metrics, "chatload_output_tokens_total") == 22
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 11 + 12
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 40
    turns = {found["code"]: count for found, count in samples(metrics, "chatload_turns_total")}
    assert turns == {"ok": 2, "http_5xx": 1, "interrupted": 1}
    assert value(metrics, "chatload_warmup_turns_total") == 1


def test_gaps_of_a_held_stream_are_the_proxy_s_and_count_nowhere() -> None:
    bursts = (0, 0, 0, 0, 200_000) * 4
    metrics = told(turn(tokens=21, events=21, coalesced=16, gaps_us=bursts))
    assert value(metrics, "chatload_event_gap_seconds_count") == 0
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_count") == 1


def test_each_class_of_users_has_the_server_that_it_asks() -> None:
    metrics = told(
        turn(0, name="Reader/ask"), turn(1, name="Coder/fix"), turn(2, name="ask"), other_servers=[TGI]
    )
    found = {
        one["group"]: (one["gen_ai_request_model"], one["dialect"], one["gen_ai_provider_name"])
        for one, _ in samples(metrics, "chatload_turns_total")
    }
    assert found == {
        "Reader/ask": ("m", "openai", "vLLM"), "Coder/fix": ("small", "tgi", "TGI"), "ask": ("m", "openai", "vLLM"),
    }  # fmt: skip


def test_label_values_are_bounded_in_number_and_length_and_have_no_controls() -> None:
    metrics = told(
        turn(name=NASTY), *(turn(name=f"part {number}") for number in range(3 * MOST_PARTS)),
        server=ServerFacts(model=NASTY, dialect="openai"),
    )  # fmt: skip
    found = samples(metrics, "chatload_turns_total")
    assert len(found) == MOST_PARTS + 1
    assert sum(count for _, count in found) == 3 * MOST_PARTS + 1
    assert value(metrics, "chatload_turns_total", group=OTHER) == 2 * MOST_PARTS + 1
    for labels, _ in found:
        assert all(len(one) <= 60 and one.isprintable() for one in labels.values())
    assert "\x1b" not in metrics_page(metrics).decode()


def test_users_and_lag_are_those_of_processes_that_still_speak() -> None:
    def health(worker: str, at_s: float, **facts: Any) -> HealthLine:
        return HealthLine(worker=worker, at_ns=round(at_s * S), **facts)

    lines = (
        health("a", 3, users=5, in_flight=2, late_sends=1),
        health(
            "a",
            9,
            users=7,
            in_flight=3,
            hub_lag_p99_ms=2.0,
            hub_lag_max_ms=4.0,
            cpu_percent=50.0,
            late_sends=2,
        ),
        health("b", 9.5, users=6, in_flight=1),
        health("c", 10 - SILENT_NS / S, users=100, in_flight=100),
    )
    metrics = told(*lines)
    assert value(metrics, "chatload_users") == 13
    assert value(metrics, "chatload_turns_in_flight") == 4
    assert samples(metrics, "chatload_generator_lag_p99_seconds") == [({"worker": "a"}, 0.002)]
    assert value(metrics, "chatload_generator_lag_max_seconds") == 0.004
    assert value(metrics, "chatload_generator_cpu_ratio") == 0.5
    assert value(metrics, "chatload_late_sends_total") == 3
    assert value(told(*lines, now_s=60), "chatload_users") == 0


def test_marks_make_the_measurement_doubtful() -> None:
    clean, marked = turn(0), turn(1, marks=("hub_lag",))
    assert value(told(clean, marked), "chatload_measurement_doubtful") == 0
    doubtful = told(clean, marked, marked)
    assert value(doubtful, "chatload_measurement_doubtful") == 1
    assert value(doubtful, "chatload_marked_turns_total", mark="hub_lag") == 2


def test_the_run_and_its_end_and_the_next_one() -> None:
    going = told(turn())
    assert (
        value(going, "chatload_run_info", run_id="r1", scenario="chat", server="vLLM 1", simulated="no") == 1
    )
    assert value(going, "chatload_run_active") == 1
    assert not samples(going, "chatload_run_exit_code")
    ended = told(turn(), exit_code=3)
    assert (value(ended, "chatload_run_active"), value(ended, "chatload_run_exit_code")) == (0, 3)
    going.begin("r2", 1)
    assert samples(going, "chatload_turns_total") == []
    assert value(going, "chatload_run_info", run_id="r2") == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "starts"),
    [
        ("GET", "/metrics", "200 OK", b"# HELP"),
        ("GET", "/chatload/metrics", "200 OK", b"# HELP"),
        ("HEAD", "/metrics", "200 OK", b""),
        ("POST", "/metrics", "405 Method Not Allowed", b"GET"),
        ("GET", "/", "404 Not Found", b"the metrics are at /metrics"),
    ],
)
def test_the_port_of_its_own(method: str, path: str, status: str, starts: bytes) -> None:
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    app = answering(told(turn()))
    body = b"".join(app({"REQUEST_METHOD": method, "PATH_INFO": path}, lambda *head: heads.append(head)))
    assert heads[0][0] == status
    assert body.startswith(starts)
    assert method != "HEAD" or int(dict(heads[0][1])["Content-Length"]) > 1000


def test_the_docs_name_every_metric() -> None:
    text = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
    named = {
        (row[1], row[2])
        for row in re.finditer(r"^\| `([a-z0-9_]+)` \| (histogram|counter|gauge) \|", text, re.M)
    }
    page = metrics_page(told(turn(), exit_code=0)).decode()
    assert named == {(row[1], row[2]) for row in re.finditer(r"^# TYPE (\S+) (\S+)$", page, re.M)}


def test_turns_are_counted_so_many_at_once_and_those_that_wait_before_anybody_looks() -> None:
    metrics = told(*(turn(0, number, 1.0) for number in range(1, BATCH)))
    assert metrics.counted == 0, "they wait"
    metrics.on_line(turn(0, BATCH, 1.0))
    assert metrics.counted == BATCH
    metrics.on_line(turn(0, BATCH + 1, 1.0))
    metrics.count()
    assert metrics.counted == BATCH + 1


def test_the_live_page_counts_so_many_turns_at_once_and_those_that_wait_before_a_health_line() -> None:
    live, taken = LiveRun(), []
    live.begin("r1", 0)
    add = live._add
    live._add = lambda one: (taken.append(one.turn), add(one))[1]  # type: ignore[method-assign]
    for number in range(1, BATCH + 3):
        live.on_line(turn(0, number, 1.0))
    assert taken == [*range(1, BATCH + 1)]
    live.on_line(HealthLine(at_ns=4 * S))
    assert taken == [*range(1, BATCH + 3)]
