"""FastChat: named by owned_by in GET /v1/models."""

from __future__ import annotations

from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai

SERVER = ServerKind(
    title="FastChat",
    order=30,
    options={"fastchat": "openai"},
    recognise=owned_by("fastchat", "FastChat"),
    speaks=speaks_openai,
    probes=("/v1/models",),
)
