"""vLLM: GET /version. Other servers have it too, so if /v1/models lists models, their `owned_by` must be vllm."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chatload.model.batch_room import BatchRoom
from chatload.model.errors import CONTEXT_FULL, SERVER_ERROR
from chatload.protocols.error_words import error_words
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kind import (
    RUNNING_USAGE,
    DetectedServer,
    ServerKind,
    found_at,
    numbers_of,
    owned_by,
    speaks_openai,
)
from chatload.protocols.thinking_fields import ENABLE_THINKING
from chatload.protocols.tokenize_route import BY_PROMPT

OWNER = "vllm"
COUNTING_SINCE = (0, 6, 4)
SPOKEN_SINCE = {"openai-responses": (0, 10), "anthropic": (0, 11, 1)}


def _recognise(answers: ProbeAnswers) -> DetectedServer | None:
    version = answers.text("/version", "version")
    if version and (answers.owner.lower() == OWNER or not answers.models):
        return found_at("/version", _SERVER.title, version, "openai", answers.model)
    return owned_by(OWNER, _SERVER.title)(answers)


def _counting(version: str) -> Mapping[str, object]:
    """Chat streams have continuous_usage_stats since 0.6.4; 0.5 refuses unknown fields."""
    return RUNNING_USAGE if numbers_of(version) >= COUNTING_SINCE else {}


def _speaks(version: str, dialect: str) -> bool | None:
    """Responses since 0.10.0, Messages since 0.11.1."""
    since = SPOKEN_SINCE.get(dialect)
    if since is None or not numbers_of(version):
        return speaks_openai(version, dialect)
    return numbers_of(version) >= since


_CACHE = re.compile(rb"^vllm:cache_config_info\{([^\n]*)\}", re.MULTILINE)
_LABEL = re.compile(rb'(kv_cache_size_tokens|num_gpu_blocks|block_size)="(\d{1,12})"')


def _room(answers: ProbeAnswers) -> BatchRoom | None:
    """The KV cache of all engines, in tokens, by `vllm:cache_config_info` of /metrics; None if any size is missing."""
    tokens = 0
    for labels in _CACHE.findall(answers.body("/metrics")):
        sizes = {name: int(value) for name, value in _LABEL.findall(b"," + labels)}
        size = sizes.get(b"kv_cache_size_tokens", 0)
        size = size or sizes.get(b"num_gpu_blocks", 0) * sizes.get(b"block_size", 0)
        if not size:
            return None
        tokens += size
    return BatchRoom(tokens=tokens, reserved=False, option="--gpu-memory-utilization") if tokens else None


_ERRORS = (
    error_words(  # since 0.14; it stops counting at the first token beyond the limit
        CONTEXT_FULL,
        r"You passed (?:(?P<given>\d+) input tokens|\d+ input characters) and requested (?P<more>\d+) output tokens\. "
        r"However, the model's context length is only (?P<limit>\d+) tokens",
    ),
    error_words(
        CONTEXT_FULL,
        r"maximum context length is (?P<limit>\d+) tokens and your request has (?P<given>\d+) input tokens "
        r"\((?P<more>\d+) > ",
    ),
    error_words(
        CONTEXT_FULL,
        r"prompt \((?:total )?length (?P<given>\d+)\) is (?:longer than the maximum model length of|"
        r"too long to fit into the model \(context length) (?P<limit>\d+)",
    ),
    error_words(
        CONTEXT_FULL,
        r"Input prompt \((?P<given>\d+) tokens\) is too long and exceeds limit of (?P<limit>\d+)",
    ),
    error_words(
        SERVER_ERROR,
        "EngineCore encountered an issue|EngineDeadError|Background loop (?:has errored|is stopped)",
    ),
)

_SERVER = ServerKind(
    title="vLLM",
    order=40,
    options={
        "vllm": "openai",
        "vllm-completions": "openai-completions",
        "vllm-responses": "openai-responses",
        "vllm-messages": "anthropic",
    },
    recognise=_recognise,
    speaks=_speaks,
    probes=("/version", "/v1/models"),
    counting=_counting,
    tokenize=BY_PROMPT,
    room=_room,
    room_path="/metrics",
    batch_option="--max-num-seqs",
    errors=_ERRORS,
    context=lambda answers: answers.model_context,
    thinking={"openai": {**ENABLE_THINKING, "budget": lambda tokens: {"thinking_token_budget": tokens}}},
    gauges={
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "kv_use": ("vllm:kv_cache_usage_perc",),
        "preemptions": ("vllm:num_preemptions_total",),
        "queue_s": ("vllm:request_queue_time_seconds_sum",),
        "queued": ("vllm:request_queue_time_seconds_count",),
        "ttft_s": ("vllm:time_to_first_token_seconds_sum",),
        "first_tokens": ("vllm:time_to_first_token_seconds_count",),
        "prefill_s": ("vllm:request_prefill_time_seconds_sum",),
        "prefills": ("vllm:request_prefill_time_seconds_count",),
        "generated_tokens": ("vllm:generation_tokens_total",),
        "drafted_tokens": ("vllm:spec_decode_num_accepted_tokens_total",),
        "finished": ("vllm:request_success_total",),
        "process_cpu_s": ("process_cpu_seconds_total",),
        "prefix_hits": ("vllm:prefix_cache_hits_total",),
        "prefix_queries": ("vllm:prefix_cache_queries_total",),
    },
    other_gauges={  # up to 0.9; some versions have both
        "kv_use": ("vllm:gpu_cache_usage_perc",),
        "preemptions": ("vllm:num_preemptions",),
        "prefix_hits": ("vllm:gpu_prefix_cache_hits_total",),
        "prefix_queries": ("vllm:gpu_prefix_cache_queries_total",),
    },
)
SERVERS = (_SERVER,)
