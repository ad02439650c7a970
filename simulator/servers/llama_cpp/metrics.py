"""llama-server's /metrics page: real names; descriptions are ours."""

from __future__ import annotations

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage


def metrics_page(context: ServerContext) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    page = PrometheusPage()
    stats.settle()
    cached, totals = now.prefix_hits_total, stats.totals
    for kind, name, value, description in (
        ("counter", "prompt_tokens_total", now.prompt_tokens_total - cached, "Prompt tokens computed."),
        ("counter", "prompt_tokens_cached_total", cached, "Prompt tokens from the cache."),
        ("counter", "prompt_seconds_total", totals["prefill_s"], "Time spent on prompts."),
        ("counter", "tokens_predicted_total", now.generation_tokens_total, "Tokens generated."),
        ("counter", "tokens_predicted_seconds_total", totals["decode_s"], "Time spent generating."),
        ("counter", "n_decode_total", now.steps_total, "Steps."),
        ("gauge", "requests_processing", now.running, "Requests in a slot."),
        ("gauge", "requests_deferred", now.waiting, "Requests without one."),
    ):
        page.sample(kind, f"llamacpp:{name}", {"": value}, description)
    return page.encode()
