"""transformers serve: OpenAI's chat route, and no /version.

GET /v1/models queries the Hugging Face hub, and is 500 if that is unreachable. The 405 of the chat route identifies it.
"""

from __future__ import annotations

from chatload.protocols.probe_answers import CHAT_PATH, MODELS_PATH, ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind

LOAD = "/load_model"
"""A route that no other known server has."""


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    if answers.status(CHAT_PATH) != 405 or answers.status("/version") != 404:
        return None
    if answers.status(LOAD) == 405:
        other = f"GET {LOAD}: 405"
    elif answers.status(MODELS_PATH) == 500:
        other = f"GET {MODELS_PATH}: 500"
    else:
        return None
    evidence = f"GET {CHAT_PATH}: 405, {other}"
    return DetectedServer(_SERVER.title, "", "openai", answers.model, _SERVER.title, evidence)


def _speaks(version: str, dialect: str) -> bool | None:
    """Newer versions also have /v1/completions and /v1/responses."""
    if dialect == "openai":
        return True
    return None if dialect in ("openai-completions", "openai-responses") else False


_SERVER = ServerKind(
    title="transformers serve",
    order=45,
    options={"transformers": "openai"},
    recognise=_recognise,
    speaks=_speaks,
    probes=(CHAT_PATH, MODELS_PATH, "/version", LOAD),
    refuses=frozenset({"ignore_eos"}),
)
SERVERS = (_SERVER,)
