"""NVIDIA's servers with OpenAI's routes: trtllm-serve of TensorRT-LLM, and Triton's OpenAI front end."""

from __future__ import annotations

from chatload.model.errors import CONTEXT_FULL
from chatload.protocols.error_words import error_words
from chatload.protocols.server_kind import ServerKind, owned_by, speaks_openai

_OWN = (
    "Triton's own route is not one that chatload speaks: give the address of its OpenAI front end (port 9000)"
)

SERVERS = (
    ServerKind(
        title="TensorRT-LLM",
        order=30,
        options={"tensorrt-llm": "openai"},
        recognise=owned_by("tensorrt_llm", "TensorRT-LLM"),
        speaks=speaks_openai,
        probes=("/v1/models", "/version"),
        errors=(
            error_words(
                CONTEXT_FULL,
                r"sum of prompt length \((?P<given>\d+(?:\.\d+)?)\), query length \((?P<more>\d+)\) "
                r"should not exceed max_num_tokens \((?P<limit>\d+)\)",
            ),
            error_words(
                CONTEXT_FULL,
                r"prompt length \((?P<given>\d+)\) exceeds maximum input length \((?P<limit>\d+)\)",
            ),
            error_words(
                CONTEXT_FULL,
                r"prompt length (?P<given>\d+) plus query length (?P<more>\d+) is larger than "
                r"max_seq_len (?P<limit>\d+)",
            ),
            error_words(
                CONTEXT_FULL,
                r"`prompt_token_ids` length \((?P<given>\d+)\) is greater than `max_seq_len` \((?P<limit>\d+)\)",
            ),
            error_words(
                CONTEXT_FULL,
                r"`default_max_tokens \(-?\d+\)` .*max_seq_len \((?P<limit>\d+)\) - \S*prompt_len \((?P<given>\d+)\)",
            ),
        ),
    ),
    ServerKind(
        title="Triton",
        order=30,
        options={"triton": "openai"},
        recognise=owned_by("triton inference server", "Triton"),
        speaks=speaks_openai,
        probes=("/v1/models",),
        own_routes={r"/v2/models/[^/]+(/versions/\d+)?(/(generate|generate_stream|infer))?": _OWN},
    ),
)
