"""Any other server with OpenAI's model list or chat route."""

from __future__ import annotations

from msgspec.structs import replace

from chatload.model.context_limits import ContextLimits
from chatload.protocols.probe_answers import CHAT_PATH, MODELS_PATH, ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind

TITLE = "OpenAI-compatible"
"""The name of a server of unknown kind."""


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    label = "an OpenAI-compatible server"
    if "data" in answers.json_object(MODELS_PATH):
        label += f', owned_by "{answers.owner}"' if answers.owner else ""
        return DetectedServer(_SERVER.title, "", "openai", answers.model, label, f"GET {MODELS_PATH}")
    if answers.status(CHAT_PATH) == 405:
        return DetectedServer(_SERVER.title, "", "openai", "", label, f"GET {CHAT_PATH}: 405")
    return None


def _speaks(version: str, dialect: str) -> bool | None:
    return True if dialect == "openai" else None


def _context(answers: ProbeAnswers) -> ContextLimits | None:
    """The context in GET /v1/models. Whether the server refuses a larger max_tokens is unknown: `reserved` is False."""
    limits = answers.model_context
    return None if limits is None else replace(limits, reserved=False)


_SERVER = ServerKind(
    title=TITLE,
    order=80,
    options={
        "openai": "openai",
        "openai-completions": "openai-completions",
        "openai-responses": "openai-responses",
    },
    recognise=_recognise,
    speaks=_speaks,
    probes=(MODELS_PATH, CHAT_PATH),
    context=_context,
)
SERVERS = (_SERVER,)
