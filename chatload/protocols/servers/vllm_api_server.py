"""vLLM's own api_server of 2023, whose only route is POST /generate: GET is 405 there, 404 on all other paths."""

from __future__ import annotations

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind

OTHER_PATHS = ("/info", "/version", "/props", "/v1/models", "/v1/chat/completions")


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    others = [status for path in OTHER_PATHS if (status := answers.status(path)) is not None]
    refused = answers.json_object("/generate", status=405).get("detail") == "Method Not Allowed"
    if not refused or not others or any(status != 404 for status in others):
        return None
    evidence = "GET /generate: 405, GET /v1/models: 404"
    return DetectedServer(_SERVER.title, "", "vllm-generate", "", "vLLM's api_server of 2023", evidence)


def _speaks(version: str, dialect: str) -> bool | None:
    return dialect == "vllm-generate"


_SERVER = ServerKind(
    title="vLLM api_server",
    order=90,
    options={"vllm-generate": "vllm-generate"},
    recognise=_recognise,
    speaks=_speaks,
    probes=("/generate",),
)
SERVERS = (_SERVER,)
