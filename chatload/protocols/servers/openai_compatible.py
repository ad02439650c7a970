"""object other server that lists its models as OpenAI does, such as transformers serve."""

from __future__ import annotations

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind

TITLE = "OpenAI-compatible"
"""What a server is called of which nothing else is known."""


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    if "data" not in answers.json_object("/v1/models"):
        return None
    label = f'an OpenAI-compatible server, owned_by "{answers.owner}"'
    return DetectedServer(_SERVER.title, "", "openai", answers.model, label, "GET /v1/models")


def _speaks(version: str, dialect: str) -> bool | None:
    return True if dialect == "openai" else None


_SERVER = ServerKind(
    title=TITLE,
    order=80,
    options={"openai": "openai", "openai-completions": "openai-completions", "transformers": "openai"},
    recognise=_recognise,
    speaks=_speaks,
    probes=("/v1/models",),
)
SERVERS = (_SERVER,)
