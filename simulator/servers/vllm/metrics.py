"""vLLM's /metrics page: real names and labels, our words, values from the engine and from what was served."""

from __future__ import annotations

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage

HISTOGRAMS = (
    ("vllm:request_prompt_tokens", "prompt_tokens", "Prompt tokens per finished request."),
    ("vllm:request_generation_tokens", "answer_tokens", "Generated tokens per finished request."),
    ("vllm:iteration_tokens_total", "step_tokens", "Tokens computed per engine step."),
    ("vllm:request_max_num_generation_tokens", "max_tokens", "Generated tokens allowed per request."),
    ("vllm:request_params_max_tokens", "max_tokens", "max_tokens asked for."),
    ("vllm:time_to_first_token_seconds", "ttft_s", "Arrival to first token."),
    ("vllm:inter_token_latency_seconds", "gap_s", "Time between tokens."),
    (
        "vllm:request_time_per_output_token_seconds",
        "per_token_s",
        "Mean time per output token after the first.",
    ),
    ("vllm:e2e_request_latency_seconds", "e2e_s", "Arrival to last token."),
    ("vllm:request_queue_time_seconds", "queue_s", "Time in the waiting queue."),
    ("vllm:request_inference_time_seconds", "inference_s", "Scheduled to last token."),
    ("vllm:request_prefill_time_seconds", "prefill_s", "Scheduled to first token."),
    ("vllm:request_decode_time_seconds", "decode_s", "First to last token."),
    ("vllm:request_num_preemptions", "preemptions", "Preemptions per request."),
)


def metrics_page(context: ServerContext) -> bytes:
    """The page now."""
    now, stats = context.gauges(), context.statistics
    name = context.settings.model
    page = PrometheusPage("")
    stats.settle()
    labels = f'engine="0",model_name="{name}"'

    def total(metric: str, words: str, values: dict[str, float]) -> None:
        page.sample("counter", f"{metric}_total", values, words)
        page.sample("gauge", f"{metric}_created", dict.fromkeys(values, float(context.started_s)), words)

    def gauge(metric: str, words: str, values: dict[str, float]) -> None:
        page.sample("gauge", metric, values, words)

    gauge("vllm:num_requests_running", "Requests in the execution batch.", {labels: now.running})
    gauge("vllm:num_requests_waiting", "Requests waiting.", {labels: now.waiting})
    gauge(
        "vllm:num_requests_waiting_by_reason",
        "Requests waiting, by reason.",
        {f'{labels},reason="capacity"': now.waiting, f'{labels},reason="deferred"': 0},
    )
    gauge(
        "vllm:kv_cache_usage_perc", "KV cache in use, 1 = all.", {labels: now.kv_used / max(1, now.kv_total)}
    )
    total("vllm:prefix_cache_queries", "Tokens looked up.", {labels: now.prefix_queries_total})
    total("vllm:prefix_cache_hits", "Tokens found.", {labels: now.prefix_hits_total})
    total("vllm:num_preemptions", "Preemptions.", {labels: now.preemptions_total})
    total(
        "vllm:prompt_tokens", "Prompt tokens of requests that got a token.", {labels: now.prompt_tokens_total}
    )
    total("vllm:prompt_tokens_cached", "Prompt tokens from the cache.", {labels: now.prefix_hits_total})
    total("vllm:generation_tokens", "Generated tokens.", {labels: now.generation_tokens_total})
    reasons = ("stop", "length", "abort", "error", "repetition")
    total(
        "vllm:request_success",
        "Finished requests.",
        {
            f'engine="0",finished_reason="{each}",model_name="{name}"': stats.finished[each]
            for each in reasons
        },
    )
    for metric, key, words in HISTOGRAMS:
        page.histogram(metric, stats.histograms[key], words, labels)
    gauge(
        "vllm:cache_config_info",
        "The KV cache.",
        {f'block_size="16",enable_prefix_caching="True",engine="0",num_gpu_blocks="{now.kv_total}"': 1},
    )
    return page.encode()
