"""vLLM's /metrics page: real names, labels and bucket bounds; descriptions are ours."""

from __future__ import annotations

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage
from simulator.servers.statistics import HistogramSpec

TTFT_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
PER_TOKEN_S = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
REQUEST_S = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
STEP_TOKENS = (1.0, *(float(2**power) for power in range(3, 15)))
PREEMPTIONS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)

HISTOGRAMS = tuple(
    HistogramSpec(f"vllm:{name}", quantity, bounds, description)
    for name, quantity, bounds, description in (
        ("request_prompt_tokens", "prompt_tokens", TOKENS, "Prompt tokens per finished request."),
        ("request_generation_tokens", "answer_tokens", TOKENS, "Generated tokens per finished request."),
        ("iteration_tokens_total", "step_tokens", STEP_TOKENS, "Tokens computed per engine step."),
        ("request_max_num_generation_tokens", "max_tokens", TOKENS, "Generated tokens allowed per request."),
        ("request_params_max_tokens", "max_tokens", TOKENS, "max_tokens asked for."),
        ("time_to_first_token_seconds", "ttft_s", TTFT_S, "Arrival to first token."),
        ("inter_token_latency_seconds", "gap_s", PER_TOKEN_S, "Time between tokens."),
        (
            "request_time_per_output_token_seconds",
            "per_token_s",
            PER_TOKEN_S,
            "Mean time per output token after the first.",
        ),
        ("e2e_request_latency_seconds", "e2e_s", REQUEST_S, "Arrival to last token."),
        ("request_queue_time_seconds", "queue_s", REQUEST_S, "Time in the waiting queue."),
        ("request_inference_time_seconds", "inference_s", REQUEST_S, "Scheduled to last token."),
        ("request_prefill_time_seconds", "prefill_s", REQUEST_S, "Scheduled to first token."),
        ("request_decode_time_seconds", "decode_s", REQUEST_S, "First to last token."),
        ("request_num_preemptions", "preemptions", PREEMPTIONS, "Preemptions per request."),
    )
)


def metrics_page(context: ServerContext) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    name = context.settings.model
    page = PrometheusPage()
    stats.settle()
    labels = f'engine="0",model_name="{name}"'

    def counter(metric: str, description: str, values: dict[str, float]) -> None:
        page.sample("counter", f"{metric}_total", values, description)
        page.sample(
            "gauge", f"{metric}_created", dict.fromkeys(values, float(context.started_s)), description
        )

    def gauge(metric: str, description: str, values: dict[str, float]) -> None:
        page.sample("gauge", metric, values, description)

    gauge("vllm:num_requests_running", "Requests in the execution batch.", {labels: now.running})
    gauge("vllm:num_requests_waiting", "Requests waiting.", {labels: now.waiting})
    gauge(
        "vllm:num_requests_waiting_by_reason",
        "Requests waiting, by reason.",
        {f'{labels},reason="capacity"': now.waiting, f'{labels},reason="deferred"': 0},
    )
    used = now.kv_used / max(1, now.kv_total)
    gauge("vllm:kv_cache_usage_perc", "KV cache in use, 1 = all.", {labels: used})
    for metric, description, value in (
        ("prefix_cache_queries", "Tokens looked up.", now.prefix_queries_total),
        ("prefix_cache_hits", "Tokens found.", now.prefix_hits_total),
        ("num_preemptions", "Preemptions.", now.preemptions_total),
        ("prompt_tokens", "Prompt tokens of requests that got a token.", now.prompt_tokens_total),
        ("prompt_tokens_cached", "Prompt tokens from the cache.", now.prefix_hits_total),
        ("generation_tokens", "Generated tokens.", now.generation_tokens_total),
    ):
        counter(f"vllm:{metric}", description, {labels: value})
    finished = {
        f'engine="0",finished_reason="{reason}",model_name="{name}"': float(stats.finished[reason])
        for reason in ("stop", "length", "abort", "error", "repetition")
    }
    counter("vllm:request_success", "Finished requests.", finished)
    for histogram in stats.histograms:
        page.histogram(histogram, labels)
    gauge(
        "vllm:cache_config_info",
        "The KV cache.",
        {f'block_size="16",enable_prefix_caching="True",engine="0",num_gpu_blocks="{now.kv_total}"': 1},
    )
    return page.encode()
