"""lmdeploy's /metrics page: real names and labels; descriptions are ours. Its gauges are as old as 10 s."""

from __future__ import annotations

import time
from dataclasses import replace

from simulator.servers.context import ServerContext
from simulator.servers.prometheus import PrometheusPage
from simulator.servers.vllm.metrics import HISTOGRAMS as VLLM_HISTOGRAMS

GAUGES_EVERY_S = 10.0
_SHARED = {
    "request_prompt_tokens",
    "request_generation_tokens",
    "iteration_tokens_total",
    "time_to_first_token_seconds",
    "e2e_request_latency_seconds",
    "request_queue_time_seconds",
    "request_inference_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
}
_OTHER_NAMES = {
    "request_time_per_output_token_seconds": "time_per_output_token_seconds",
    "inter_token_latency_seconds": "iter_token_latency",
}
_NAMES = dict(zip(_SHARED, _SHARED, strict=True)) | _OTHER_NAMES
HISTOGRAMS = tuple(
    replace(each, name=f"lmdeploy:{_NAMES[name]}")
    for each in VLLM_HISTOGRAMS
    if (name := each.name.removeprefix("vllm:")) in _NAMES
)
_REASONS = (
    *("SUCCESS", "FINISH", "ENGINE_STOP_ERROR", "SESSION_REPEAT", "SESSION_NOT_EXIST", "HANDLER_NOT_EXIST"),
    *("INPUT_LENGTH_ERROR", "INTERNAL_ENGINE_ERROR", "CANCEL", "PREFIX_CACHE_CONFLICT", "NO_QUEUE"),
    *("NOT_SUPPORTED", "OUT_OF_MEMORY"),
)


class LmdeployMetrics:
    """The page of one server. The engine tells its state every 10 s: in between the gauges stay as they were."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._gauges = context.gauges()
        self._told_s = time.monotonic()

    def page(self) -> bytes:
        """The page now."""
        context = self._context
        now, stats = context.gauges(), context.statistics
        if time.monotonic() - self._told_s >= GAUGES_EVERY_S:
            self._gauges, self._told_s = now, time.monotonic()
        told = self._gauges
        stats.settle()
        page = PrometheusPage()
        model = f'engine="0",model_name="{context.settings.model}"'
        page.sample("gauge", "lmdeploy:backend_config_info", {"": 1.0}, "The backend.")
        for name, value in (
            ("num_requests_succeeded", stats.finished["stop"] + stats.finished["length"]),
            ("num_requests_failed", stats.finished["error"]),
            ("num_api_requests_routed", told.running + told.waiting),
            ("num_api_requests_waiting", 0),
            ("num_requests_running", told.running),
            ("num_requests_waiting", told.waiting),
            ("gpu_cache_usage_perc", told.kv_used / max(1, told.kv_total)),
            ("prefix_cache_hit_rate", told.prefix_hits_total / max(1, told.prefix_queries_total)),
        ):
            page.sample("gauge", f"lmdeploy:{name}", {model: value}, name.replace("_", " "))
        for name, value in (
            ("prompt_tokens_total", now.prompt_tokens_total),
            ("generation_tokens_total", now.generation_tokens_total),
            ("cached_tokens_total", now.prefix_hits_total),
        ):
            page.sample("counter", f"lmdeploy:{name}", {model: value}, name.replace("_", " "))
        counts = dict.fromkeys(_REASONS, 0) | {
            "FINISH": stats.finished["stop"] + stats.finished["length"],
            "CANCEL": stats.finished["abort"],
            "INTERNAL_ENGINE_ERROR": stats.finished["error"],
        }
        name = context.settings.model
        finished = {
            f'engine="0",finished_reason="ResponseType.{reason}",model_name="{name}"': float(count)
            for reason, count in counts.items()
        }
        page.sample("counter", "lmdeploy:request_success_total", finished, "Finished requests.")
        for histogram in stats.histograms:
            page.histogram(histogram, model)
        return page.encode()
