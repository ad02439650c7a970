"""LocalAI: /.well-known/localai.json, or vLLM's GET /version with a commit in it and models without `owned_by`."""

from __future__ import annotations

import re

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, speaks_openai

WELL_KNOWN = "/.well-known/localai.json"
_PRINTED = re.compile(r"\S+ \([0-9a-f]{7,40}\)")
"""A version with the commit it was built from."""


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    version = answers.text("/version", "version")
    if "endpoints" in answers.json_object(WELL_KNOWN):
        return found_at(WELL_KNOWN, _SERVER.title, version, "openai", answers.model)
    if _PRINTED.fullmatch(version) and not answers.owner:
        return found_at("/version", _SERVER.title, version, "openai", answers.model)
    return None


_SERVER = ServerKind(
    title="LocalAI",
    order=35,
    options={"localai": "openai"},
    recognise=_recognise,
    speaks=speaks_openai,
    probes=("/version", WELL_KNOWN),
)
SERVERS = (_SERVER,)
