"""Servers with OpenAI's routes that are recognised by `owned_by` in GET /v1/models."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai


def _server(title: str, *names: str, **gauges: str) -> ServerKind:
    """A server whose owner is the first of its `names`; `gauges` are its names on /metrics."""
    found: Mapping[str, tuple[str, ...]] = {ours: (theirs,) for ours, theirs in gauges.items()}
    return ServerKind(
        title=title,
        order=30,
        options=dict.fromkeys(names, "openai"),
        recognise=owned_by(names[0], title),
        speaks=speaks_openai,
        probes=("/v1/models",),
        gauges=found,
    )


SERVERS = (
    _server("FastChat", "fastchat"),
    _server(
        "lmdeploy",
        "lmdeploy",
        running="lmdeploy:num_requests_running",
        waiting="lmdeploy:num_requests_waiting",
        kv_use="lmdeploy:gpu_cache_usage_perc",
    ),
    _server(
        "SGLang",
        "sglang",
        running="sglang:num_running_reqs",
        waiting="sglang:num_queue_reqs",
        kv_use="sglang:token_usage",
        queue_s="sglang:queue_time_seconds_sum",
        queued="sglang:queue_time_seconds_count",
        generated_tokens="sglang:generation_tokens_total",
    ),
    _server("TabbyAPI", "tabbyapi", "exllama"),
)
