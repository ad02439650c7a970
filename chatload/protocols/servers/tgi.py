"""Text Generation Inference: GET /info has the model and the version."""

from __future__ import annotations

from dataclasses import replace

from chatload.model.batch_room import BatchRoom
from chatload.model.context_limits import ContextLimits
from chatload.model.errors import CONTEXT_FULL, INVALID_REQUEST, SERVER_ERROR
from chatload.protocols.error_words import error_words
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind, found_at, numbers_of, speaks_openai
from chatload.protocols.tokenize_route import BY_INPUTS


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    """The chat route is preferred where there is one, so that the server applies the model's template, as others do.

    On that route a model other than "tgi" is the name of a LoRA adapter.
    """
    model = answers.text("/info", "model_id")
    if not model or "version" not in answers.json_object("/info"):
        return None
    version = answers.text("/info", "version")
    if not _speaks(version, "openai"):
        return found_at("/info", _SERVER.title, version, "tgi", model)
    return replace(found_at("/info", _SERVER.title, version, "openai", model), asked_model="tgi")


def _speaks(version: str, dialect: str) -> bool | None:
    """TGI has a chat route since 1.4.0, a completions route since 1.4.5 or earlier."""
    if not speaks_openai(version, dialect):
        return dialect == "tgi"
    numbers = numbers_of(version)
    return numbers >= (1, 4) if len(numbers) >= 2 else None


PIECE_TOKENS, PIECES_SINCE = 1024, (3,)
"""Since 3.0 an answer is generated in pieces, each validated and queued again, the last one not shortened
(backends/v3/src/queue.rs)."""


def _piece_tokens(version: str) -> int:
    return PIECE_TOKENS if numbers_of(version) >= PIECES_SINCE else 0


def _room(answers: ProbeAnswers) -> BatchRoom | None:
    """`max_batch_total_tokens` of /info: each request reserves prompt and max_new_tokens of it (router/src/queue.rs).

    1.4 to 2.x also have `max_batch_size`, the most requests of a batch, where it was set; 3.x has neither. All have
    `max_concurrent_requests`: further requests are answered "Model is overloaded" (router/src/infer.rs).
    """
    tokens = answers.whole("/info", "max_batch_total_tokens")
    requests = answers.whole("/info", "max_batch_size")
    admitted = answers.whole("/info", "max_concurrent_requests")
    if tokens is None and requests is None and admitted is None:
        return None
    return BatchRoom(
        tokens=tokens or 0,
        reserved=True,
        option="--max-batch-total-tokens",
        requests=requests or 0,
        requests_option="--max-batch-size" if requests else "",
        admitted=admitted or 0,
        admitted_option="--max-concurrent-requests" if admitted else "",
    )


def _context(answers: ProbeAnswers) -> ContextLimits | None:
    """`max_input_length` (3.x: `max_input_tokens`) and `max_total_tokens` of /info."""
    prompt = answers.whole("/info", "max_input_tokens") or answers.whole("/info", "max_input_length")
    total = answers.whole("/info", "max_total_tokens")
    if prompt is None and total is None:
        return None
    piece = _piece_tokens(answers.text("/info", "version"))
    return ContextLimits(prompt=prompt, total=total, piece=piece, source="GET /info")


# The chat route of 3.x answers every error with 422, so only the words show the cause.
_ERRORS = (
    error_words(
        CONTEXT_FULL,
        r"`?inputs`? tokens \+ `?max_new_tokens`? must be <= (?P<limit>\d+)\. "
        r"Given: (?P<given>\d+) `?inputs`? tokens and (?P<more>\d+) `?max_new_tokens`?",
    ),
    error_words(
        CONTEXT_FULL, r"`?inputs`? must have less than (?P<limit>\d+) tokens\. Given: (?P<given>\d+)"
    ),
    error_words(
        SERVER_ERROR,
        "^Request failed during generation|^Incomplete generation",
        *("generation", "incomplete_generation", "healthcheck"),
    ),
    error_words(
        INVALID_REQUEST,
        "^Input validation error|^Template error|^Tool error|^Failed to parse the request body as JSON|"
        "^Failed to deserialize the JSON body|^Expected request with `Content-Type: application/json`",
        *("validation", "template_error", "tool_error", "input_validation_error"),
    ),
)

_SERVER = ServerKind(
    title="TGI",
    order=10,
    options={"tgi": "tgi", "tgi-native": "tgi", "tgi-chat": "openai"},
    by_version="tgi",
    recognise=_recognise,
    speaks=_speaks,
    probes=("/info",),
    tokenize=BY_INPUTS,
    room=_room,
    piece_tokens=_piece_tokens,
    errors=_ERRORS,
    context=_context,
    gauges={
        "running": ("tgi_batch_current_size",),
        "waiting": ("tgi_queue_size",),
        "batch_tokens": ("tgi_batch_current_max_tokens",),
        "queue_s": ("tgi_request_queue_duration_sum",),
        "queued": ("tgi_request_queue_duration_count",),
        "validation_s": ("tgi_request_validation_duration_sum",),
        "validated": ("tgi_request_validation_duration_count",),
        "generated_tokens": ("tgi_request_generated_tokens_sum",),
        # Not hits of its prefix cache: the page's help says "Speculated tokens per request", and it counts each step.
        "drafted_tokens": ("tgi_request_skipped_tokens_sum",),
        "finished": ("tgi_request_success",),
    },
    other_gauges={"finished": ("tgi_request_success_total",)},
)
SERVERS = (_SERVER,)
