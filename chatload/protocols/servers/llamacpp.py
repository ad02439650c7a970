"""llama.cpp's server: GET /props has its build and its settings."""

from __future__ import annotations

from chatload.model.batch_room import BatchRoom
from chatload.model.context_limits import ContextLimits
from chatload.model.errors import CONTEXT_FULL
from chatload.protocols.error_words import error_words
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, owned_by, speaks_openai
from chatload.protocols.thinking_fields import ENABLE_THINKING
from chatload.protocols.tokenize_route import BY_CONTENT


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    props = answers.json_object("/props")
    if "default_generation_settings" in props or "build_info" in props:
        return found_at(
            "/props", _SERVER.title, answers.text("/props", "build_info"), "openai", answers.model
        )
    return owned_by("llamacpp", _SERVER.title)(answers)


def _context(answers: ProbeAnswers) -> ContextLimits | None:
    """`n_ctx` of /props, the context of one slot. An answer ends when the slot is full, so none of it is reserved."""
    settings = answers.json_object("/props").get("default_generation_settings")
    value = settings.get("n_ctx") if isinstance(settings, dict) else None
    if type(value) is not int or value <= 0:
        return None
    return ContextLimits(total=value, reserved=False, source="GET /props")


def _room(answers: ProbeAnswers) -> BatchRoom | None:
    """`total_slots` of /props: each request takes one slot, and waits while none is free."""
    slots = answers.whole("/props", "total_slots")
    return BatchRoom(reserved=True, requests=slots, requests_option="--parallel") if slots else None


_ERRORS = (
    error_words(
        CONTEXT_FULL,
        r"(?:request (?:\((?P<given>\d+) tokens\) )?exceeds the available context size"
        r"(?: \((?P<limit>\d+) tokens\))?)",
        "exceed_context_size_error",
    ),
)

_SERVER = ServerKind(
    title="llama.cpp",
    order=20,
    options={"llamacpp": "openai", "llama.cpp": "openai"},
    recognise=_recognise,
    speaks=speaks_openai,
    probes=("/props",),
    tokenize=BY_CONTENT,
    errors=_ERRORS,
    room=_room,
    context=_context,
    thinking={"openai": {**ENABLE_THINKING, "budget": lambda tokens: {"thinking_budget_tokens": tokens}}},
    gauges={
        "running": ("llamacpp:requests_processing",),
        "waiting": ("llamacpp:requests_deferred",),
        "kv_use": ("llamacpp:kv_cache_usage_ratio",),
        "generated_tokens": ("llamacpp:tokens_predicted_total",),
    },
)
SERVERS = (_SERVER,)
