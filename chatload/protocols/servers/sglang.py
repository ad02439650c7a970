"""SGLang: named by owned_by in GET /v1/models."""

from __future__ import annotations

from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai

SERVER = ServerKind(
    title="SGLang",
    order=30,
    options={"sglang": "openai"},
    recognise=owned_by("sglang", "SGLang"),
    speaks=speaks_openai,
    probes=("/v1/models",),
    gauges={
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "kv_use": ("sglang:token_usage",),
        "queue_s": ("sglang:queue_time_seconds_sum",),
        "queued": ("sglang:queue_time_seconds_count",),
        "generated_tokens": ("sglang:generation_tokens_total",),
    },
)
