"""Ollama: GET /api/version. `owned_by` in its GET /v1/models is the namespace of each model, such as "library"."""

from __future__ import annotations

from chatload.model.errors import CONTEXT_FULL
from chatload.protocols.error_words import error_words
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, speaks_openai


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    version = answers.text("/api/version", "version")
    if not version or answers.owner.lower() == "koboldcpp":  # it has this route, too
        return None
    return found_at("/api/version", _SERVER.title, version, "openai", answers.model)


def _speaks(version: str, dialect: str) -> bool | None:
    return dialect == "ollama-native" or speaks_openai(version, dialect)


_OWN = "chatload holds chats at Ollama's /api/chat, and at its OpenAI routes: end the address in one of them, or before"

_SERVER = ServerKind(
    title="Ollama",
    order=25,
    options={"ollama": "openai", "ollama-native": "ollama-native"},
    recognise=_recognise,
    speaks=_speaks,
    probes=("/api/version",),
    errors=(error_words(CONTEXT_FULL, "input length exceeds the context length"),),
    cuts_prompts=True,
    own_routes={"/api/(generate|tags|version)": _OWN},
)
SERVERS = (_SERVER,)
