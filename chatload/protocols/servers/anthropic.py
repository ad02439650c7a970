"""Anthropic's API, and gateways with its form: GET /v1/models without the right headers is an error of that form."""

from __future__ import annotations

from chatload.model.errors import CONTEXT_FULL
from chatload.protocols.error_words import error_words
from chatload.protocols.probe_answers import MODELS_PATH, ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind

REFUSED = (400, 401, 403)
"""Without the header anthropic-version, without a key in x-api-key, and with a key that may not list models."""


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    status = answers.status(MODELS_PATH)
    if status not in REFUSED:
        return None
    found = answers.json_object(MODELS_PATH, status)
    error = found.get("error")
    if found.get("type") != "error" or not isinstance(error, dict) or not isinstance(error.get("type"), str):
        return None
    title = _SERVER.title
    return DetectedServer(title, "", "anthropic", "", f"{title}'s API", f"GET {MODELS_PATH}: {status}")


def _speaks(version: str, dialect: str) -> bool | None:
    return True if dialect == "anthropic" else None


_SERVER = ServerKind(
    title="Anthropic",
    order=70,
    options={"anthropic": "anthropic"},
    recognise=_recognise,
    speaks=_speaks,
    probes=(MODELS_PATH,),
    errors=(
        error_words(CONTEXT_FULL, r"prompt is too long: (?P<given>\d+) tokens > (?P<limit>\d+) maximum"),
        error_words(
            CONTEXT_FULL,
            r"`max_tokens` exceed context limit: (?P<given>\d+) \+ (?P<more>\d+) > (?P<limit>\d+)",
        ),
    ),
)
SERVERS = (_SERVER,)
