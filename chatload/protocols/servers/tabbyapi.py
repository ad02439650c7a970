"""TabbyAPI, which serves ExLlama models: named by owned_by in GET /v1/models."""

from __future__ import annotations

from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai

SERVER = ServerKind(
    title="TabbyAPI",
    order=30,
    options={"tabbyapi": "openai", "exllama": "openai"},
    recognise=owned_by("tabbyapi", "TabbyAPI"),
    speaks=speaks_openai,
    probes=("/v1/models",),
)
