"""lmdeploy: named by owned_by in GET /v1/models."""

from __future__ import annotations

from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai

SERVER = ServerKind(
    title="lmdeploy",
    order=30,
    options={"lmdeploy": "openai"},
    recognise=owned_by("lmdeploy", "lmdeploy"),
    speaks=speaks_openai,
    probes=("/v1/models",),
    gauges={
        "running": ("lmdeploy:num_requests_running",),
        "waiting": ("lmdeploy:num_requests_waiting",),
        "kv_use": ("lmdeploy:gpu_cache_usage_perc",),
    },
)
