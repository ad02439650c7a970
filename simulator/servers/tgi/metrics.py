"""TGI's /metrics page: real names, our words."""

from __future__ import annotations

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage

HISTOGRAMS = (
    ("tgi_request_duration", "duration_s", ""),
    ("tgi_request_validation_duration", "validation_s", ""),
    ("tgi_request_queue_duration", "tgi_queue_s", ""),
    ("tgi_request_inference_duration", "tgi_inference_s", ""),
    ("tgi_request_mean_time_per_token_duration", "tgi_per_token_s", ""),
    ("tgi_request_input_length", "prompt_tokens", ""),
    ("tgi_request_max_new_tokens", "max_tokens", ""),
    ("tgi_request_generated_tokens", "answer_tokens", ""),
    ("tgi_batch_inference_duration", "prefill_step_s", 'method="prefill"'),
    ("tgi_batch_inference_duration", "decode_step_s", 'method="decode"'),
)


def metrics_page(context: ServerContext) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    page = PrometheusPage("")
    stats.settle()
    ended = stats.finished["stop"] + stats.finished["length"]
    failed = {
        kind: stats.failed[kind]
        for kind in ("overloaded", "validation", "generation", "incomplete", "dropped")
    }
    steps = {'method="prefill"': float(stats.prefill_steps), 'method="decode"': float(stats.decode_steps)}
    page.sample(
        "counter",
        "tgi_request_count",
        {"": ended + sum(failed.values()) + context.open_requests},
        "Requests.",
    )
    page.sample("counter", "tgi_request_success", {"": ended}, "Requests answered in full.")
    page.sample(
        "counter",
        "tgi_request_failure",
        {f'err="{k}"': float(n) for k, n in failed.items()},
        "Failed requests.",
    )
    page.sample("counter", "tgi_batch_inference_count", steps, "Steps begun.")
    page.sample("counter", "tgi_batch_inference_success", steps, "Steps done.")
    page.sample(
        "counter", "tgi_batch_concat", {'reason="backpressure"': float(stats.concats)}, "Batches joined."
    )
    page.sample("gauge", "tgi_queue_size", {"": now.waiting}, "Requests waiting.")
    page.sample("gauge", "tgi_batch_current_size", {"": now.running}, "Requests in the batch.")
    page.sample(
        "gauge", "tgi_batch_current_max_tokens", {"": now.batch_max_tokens}, "Tokens promised to the batch."
    )
    for name, key, labels in HISTOGRAMS:
        page.histogram(name, stats.histograms[key], "Seconds or tokens.", labels)
    return page.encode()
