"""The page that Prometheus scrapes: the sums of a run in its text format.

Names are those of the OpenTelemetry semantic conventions for generative AI where these have one. All times are the
client's, those named `gen_ai_server_…` too: the convention has no other name for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import gevent
from prometheus_client import generate_latest  # not at the first scrape: that would hold up users for 0.1 s
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from chatload.live.bucket_counts import BucketCounts
from chatload.live.run_metrics import PartSums, RunMetrics, label_value
from chatload.model.journal_lines import HealthLine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LABELS = ("group", "gen_ai_request_model", "dialect", "gen_ai_provider_name")
OPERATION = ("gen_ai_operation_name", "chat")
"""The label that the conventions ask of each of their metrics."""

Found = Sequence[tuple[dict[str, str], BucketCounts]]

HISTOGRAMS: tuple[tuple[str, str, Callable[[PartSums], Found]], ...] = (
    (
        "gen_ai_client_operation_duration_seconds",
        "E2E of good turns (last token - sent); of failed ones, which have an error_type, the whole turn.",
        lambda one: [
            ({"error_type": ""}, one.e2e),
            *(({"error_type": code}, c) for code, c in one.failed.items()),
        ],
    ),
    (
        "gen_ai_server_time_to_first_token_seconds",
        "TTFT of good turns as the client sees it: first token - sent.",
        lambda one: [({}, one.ttft)],
    ),
    (
        "gen_ai_server_time_per_output_token_seconds",
        "TPOT of good turns as the client sees it: time per token after the first read.",
        lambda one: [({}, one.tpot)],
    ),
    (
        "chatload_event_gap_seconds",
        "Time between consecutive token-bearing events of good turns that no proxy held.",
        lambda one: [({}, one.gap)],
    ),
    (
        "gen_ai_client_token_usage",
        "Tokens of good turns as the server bills them; input only where it tells them.",
        lambda one: [
            ({"gen_ai_token_type": "input"}, one.prompt_tokens),
            ({"gen_ai_token_type": "output"}, one.billed_tokens),
        ],
    ),
)
"""Name, help, and what of a part's sums it shows, with the labels beyond LABELS."""


OF_PROCESSES: tuple[tuple[str, str, Callable[[HealthLine], float | None]], ...] = (
    (
        "chatload_generator_lag_p99_seconds",
        "99 % of looks of the load generator's loop in the last second were no later than this.",
        lambda line: _seconds(line.hub_lag_p99_ms),
    ),
    (
        "chatload_generator_lag_max_seconds",
        "The latest look of the load generator's loop in the last second.",
        lambda line: _seconds(line.hub_lag_max_ms),
    ),
    (
        "chatload_generator_cpu_ratio",
        "Processor time of the load generator's process, as a share of one core.",
        lambda line: None if line.cpu_percent is None else line.cpu_percent / 100,
    ),
)
"""Name, help, and value of each process of the load generator."""


class _Page:
    """What `prometheus_client` asks for metrics. Between families, users of the run get their turn."""

    def __init__(self, metrics: RunMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """All families of metrics."""
        for found in (_histograms, _turns, _generator, _run):
            for family in found(self._metrics):
                yield family
                gevent.sleep(0)


def metrics_page(metrics: RunMetrics) -> bytes:
    """The page."""
    metrics.count()
    page: bytes = generate_latest(_Page(metrics))
    return page


def _histograms(metrics: RunMetrics) -> Iterator[Metric]:
    for name, words, of in HISTOGRAMS:
        more = tuple(of(PartSums())[0][0])
        conventional = (OPERATION[0],) if name.startswith("gen_ai_") else ()
        family = HistogramMetricFamily(name, words, labels=(*LABELS, *conventional, *more))
        for part, sums in metrics.parts.items():
            for labels, counts in of(sums):
                values = [*part, *(OPERATION[1] for _ in conventional), *labels.values()]
                family.add_metric(values, counts.cumulative(), counts.total)
        yield family


def _turns(metrics: RunMetrics) -> Iterator[Metric]:
    turns = CounterMetricFamily(
        "chatload_turns", "Ended turns by code; ok are the good ones.", labels=(*LABELS, "code")
    )
    tokens = CounterMetricFamily(
        "chatload_output_tokens",
        "Tokens of good turns that a reader saw, at the end of their turn.",
        labels=LABELS,
    )
    for part, sums in metrics.parts.items():
        tokens.add_metric(part, sums.tokens)
        for code, count in sums.turns.items():
            turns.add_metric([*part, code], count)
    yield turns
    yield tokens
    warmup = CounterMetricFamily(
        "chatload_warmup_turns", "Turns of the warm-up, which no other metric counts."
    )
    warmup.add_metric([], metrics.warmup)
    yield warmup


def _generator(metrics: RunMetrics) -> Iterator[Metric]:
    fresh = metrics.fresh
    yield _gauge("chatload_users", "Users that are in.", sum(line.users or 0 for line in fresh))
    yield _gauge(
        "chatload_turns_in_flight", "Turns that are going on.", sum(line.in_flight or 0 for line in fresh)
    )
    for name, words, of in OF_PROCESSES:
        family = _labelled(name, words, ("worker",))
        for line in fresh:
            value = of(line)
            if value is not None:
                family.add_metric([label_value(line.worker)], value)
        yield family
    late = CounterMetricFamily("chatload_late_sends", "Requests that the load generator sent late.")
    late.add_metric([], metrics.late_sends)
    yield late
    marked = CounterMetricFamily(
        "chatload_marked_turns",
        "Turns with a mark: something of the load generator's own may be in them.",
        labels=("mark",),
    )
    for mark, count in metrics.marks.items():
        marked.add_metric([mark], count)
    yield marked
    yield _gauge(
        "chatload_measurement_doubtful",
        "1 where so many turns are marked that figures may move.",
        metrics.doubtful,
    )


def _run(metrics: RunMetrics) -> Iterator[Metric]:
    manifest, code = metrics.controller.manifest, metrics.controller.exit_code
    if not metrics.run_id:
        return
    info = _labelled("chatload_run_info", "The run: 1.", ("run_id", "scenario", "server", "simulated"))
    simulated = "no" if manifest.simulation is None else "yes"
    info.add_metric(
        [
            label_value(metrics.run_id),
            label_value(manifest.scenario),
            label_value(manifest.server.label),
            simulated,
        ],
        1,
    )
    yield info
    yield _gauge("chatload_run_active", "1 while the run goes on.", code is None)
    if code is not None:
        yield _gauge("chatload_run_exit_code", "Exit code of the run that ended (docs/ci.md).", code)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))


def _labelled(name: str, words: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=labels)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
