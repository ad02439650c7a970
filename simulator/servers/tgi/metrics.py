"""TGI's /metrics page: real names and bucket bounds; descriptions are ours.

As there, the page is empty until the first request, and each metric appears with its first event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage
from simulator.servers.statistics import HistogramSpec

SECONDS = tuple(1e-4 * 1.5**k for k in range(35))
TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
PREFILL, DECODE = 'method="prefill"', 'method="decode"'
Quantity = tuple[str, str, tuple[float, ...], str]
"""Name without `tgi_`, quantity, bounds, labels of a histogram."""
QUANTITIES: tuple[Quantity, ...] = (
    ("request_duration", "e2e_s", SECONDS, ""),
    ("request_validation_duration", "validation_s", SECONDS, ""),
    ("request_queue_duration", "queue_s", SECONDS, ""),
    ("request_inference_duration", "inference_s", SECONDS, ""),
    ("request_mean_time_per_token_duration", "inference_per_token_s", SECONDS, ""),
    ("request_input_length", "accepted_prompt_tokens", TOKENS, ""),
    ("request_max_new_tokens", "accepted_max_tokens", TOKENS, ""),
    ("request_generated_tokens", "answer_tokens", TOKENS, ""),
    ("batch_next_size", "prefilled", TOKENS, ""),
    ("batch_inference_duration", "prefill_step_s", SECONDS, PREFILL),
    ("batch_inference_duration", "decode_step_s", SECONDS, DECODE),
)
FAILURES = ("overloaded", "validation", "generation", "incomplete", "dropped", "template_error")


def histograms_of(quantities: Iterable[Quantity]) -> tuple[HistogramSpec, ...]:
    """Those histograms."""
    return tuple(
        HistogramSpec(f"tgi_{name}", quantity, bounds, "Seconds or tokens.", labels)
        for name, quantity, bounds, labels in quantities
    )


class MetricsStyle(NamedTuple):
    """What differs between versions: the reason of `tgi_batch_concat`, and whether tokens are summed up."""

    concat_reason: str
    skipped_tokens: bool


HISTOGRAMS = histograms_of(QUANTITIES)
METRICS = MetricsStyle("backpressure", skipped_tokens=False)


def metrics_page(context: ServerContext, style: MetricsStyle) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    page = PrometheusPage()
    stats.settle()
    ended = stats.finished["stop"] + stats.finished["length"]
    failed = {f'err="{_failure(kind)}"': float(stats.failed[kind]) for kind in FAILURES if stats.failed[kind]}
    requests = ended + sum(failed.values()) + context.open_requests
    steps = {PREFILL: float(stats.prefill_steps), DECODE: float(stats.decode_steps)}
    steps = {method: count for method, count in steps.items() if count}
    counters: tuple[tuple[str, dict[str, float], str], ...] = (
        ("tgi_request_count", {"": requests}, "Requests."),
        ("tgi_request_success", {"": ended}, "Requests answered in full."),
        ("tgi_request_failure", failed, "Failed requests."),
        ("tgi_batch_inference_count", steps, "Steps begun."),
        ("tgi_batch_inference_success", steps, "Steps done."),
        (
            "tgi_batch_concat",
            {f'reason="{style.concat_reason}"': float(stats.mixed_steps)},
            "Batches joined.",
        ),
    )
    for name, values, description in counters:
        if any(values.values()):
            page.sample("counter", name, values, description)
    if stats.accepted_requests:
        page.sample("gauge", "tgi_queue_size", {"": now.waiting}, "Requests waiting.")
    if steps:
        page.sample("gauge", "tgi_batch_current_size", {"": now.running}, "Requests in the batch.")
        reserved = {"": float(now.batch_max_tokens)}
        page.sample("gauge", "tgi_batch_current_max_tokens", reserved, "Tokens promised to the batch.")
    if style.skipped_tokens and now.generation_tokens_total:
        page.summary("tgi_request_skipped_tokens", now.generation_tokens_total, "Speculated tokens.")
    page.histograms(histogram for histogram in stats.histograms if any(histogram.counts))
    return page.encode()


def _failure(kind: str) -> str:
    return "template" if kind == "template_error" else kind
