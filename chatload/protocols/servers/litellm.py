"""LiteLLM's proxy: GET /health/readiness has its version, without a key. Beware: /health sends each model a prompt."""

from __future__ import annotations

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, speaks_openai

READINESS = "/health/readiness"


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    if "litellm_version" not in answers.json_object(READINESS):
        return None
    version = answers.text(READINESS, "litellm_version")
    return found_at(READINESS, _SERVER.title, version, "openai", answers.model)


_SERVER = ServerKind(
    title="LiteLLM",
    order=5,
    options={"litellm": "openai"},
    recognise=_recognise,
    speaks=speaks_openai,
    probes=(READINESS,),
)
SERVERS = (_SERVER,)
