"""TGI's /metrics page: real names and bucket bounds; descriptions are ours."""

from __future__ import annotations

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage
from simulator.servers.statistics import HistogramSpec

SECONDS = tuple(1e-4 * 1.5**k for k in range(35))
TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
HISTOGRAMS = tuple(
    HistogramSpec(f"tgi_{name}", quantity, bounds, "Seconds or tokens.", labels)
    for name, quantity, bounds, labels in (
        ("request_duration", "e2e_s", SECONDS, ""),
        ("request_validation_duration", "validation_s", SECONDS, ""),
        ("request_queue_duration", "queue_s", SECONDS, ""),
        ("request_inference_duration", "inference_s", SECONDS, ""),
        ("request_mean_time_per_token_duration", "inference_per_token_s", SECONDS, ""),
        ("request_input_length", "prompt_tokens", TOKENS, ""),
        ("request_max_new_tokens", "max_tokens", TOKENS, ""),
        ("request_generated_tokens", "answer_tokens", TOKENS, ""),
        ("batch_inference_duration", "prefill_step_s", SECONDS, 'method="prefill"'),
        ("batch_inference_duration", "decode_step_s", SECONDS, 'method="decode"'),
    )
)
FAILURES = ("overloaded", "validation", "generation", "incomplete", "dropped")


def metrics_page(context: ServerContext) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    page = PrometheusPage()
    stats.settle()
    ended = stats.finished["stop"] + stats.finished["length"]
    failed = {f'err="{kind}"': float(stats.failed[kind]) for kind in FAILURES}
    requests = ended + sum(failed.values()) + context.open_requests
    steps = {'method="prefill"': float(stats.prefill_steps), 'method="decode"': float(stats.decode_steps)}
    mixed = {'reason="backpressure"': float(stats.mixed_steps)}
    page.sample("counter", "tgi_request_count", {"": requests}, "Requests.")
    page.sample("counter", "tgi_request_success", {"": ended}, "Requests answered in full.")
    page.sample("counter", "tgi_request_failure", failed, "Failed requests.")
    page.sample("counter", "tgi_batch_inference_count", steps, "Steps begun.")
    page.sample("counter", "tgi_batch_inference_success", steps, "Steps done.")
    page.sample("counter", "tgi_batch_concat", mixed, "Batches joined.")
    page.sample("gauge", "tgi_queue_size", {"": now.waiting}, "Requests waiting.")
    page.sample("gauge", "tgi_batch_current_size", {"": now.running}, "Requests in the batch.")
    reserved = {"": float(now.batch_max_tokens)}
    page.sample("gauge", "tgi_batch_current_max_tokens", reserved, "Tokens promised to the batch.")
    for histogram in stats.histograms:
        page.histogram(histogram)
    return page.encode()
