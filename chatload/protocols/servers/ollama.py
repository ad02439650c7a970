"""Ollama: GET /api/version. `owned_by` in its GET /v1/models is the namespace of each model, such as "library"."""

from __future__ import annotations

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, speaks_openai


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    version = answers.text("/api/version", "version")
    if not version or answers.owner.lower() == "koboldcpp":  # which imitates this route
        return None
    return found_at("/api/version", _SERVER.title, version, "openai", answers.model)


_OWN = "Ollama's own route answers in JSON lines, which chatload does not read: leave it out, Ollama has OpenAI's too"

_SERVER = ServerKind(
    title="Ollama",
    order=25,
    options={"ollama": "openai"},
    recognise=_recognise,
    speaks=speaks_openai,
    probes=("/api/version",),
    own_routes={"/api/(chat|generate|tags|version)": _OWN},
)
SERVERS = (_SERVER,)
