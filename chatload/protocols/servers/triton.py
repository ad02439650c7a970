"""NVIDIA's servers with OpenAI's routes: trtllm-serve of TensorRT-LLM, and Triton's OpenAI front end."""

from __future__ import annotations

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
