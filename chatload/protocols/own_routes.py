"""Converts requests for routes that chatload does not support to the same server's OpenAI chat route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chatload.protocols.probe_answers import CHAT_PATH

OLLAMA_ROUTE = "/api/generate"
_OPTIONS = {
    "num_predict": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
}
"""Ollama's options, and their names in OpenAI's form."""

KOBOLD_ROUTES = ("/api/v1/generate", "/api/latest/generate", "/api/extra/generate/stream")
_SETTINGS = {
    "max_length": "max_tokens",
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequence": "stop",
}
"""KoboldCpp's settings, and their names in OpenAI's form."""


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """The converted request: its body and path. `prefix` is the part of the original path that belongs to the host."""

    body: Mapping[str, object]
    path: str
    prefix: str
    words: str


def own_route(path: str, body: Mapping[str, object]) -> OwnRoute | None:
    """The request as a chat, if it is one to Ollama's /api/generate or KoboldCpp's own routes; otherwise None.

    Ollama's body has a `model` and a `prompt`, unlike those of TGI's and vLLM's /generate behind /api.
    text-generation-webui before 2023 has KoboldCpp's routes, too.
    """
    path = "/" + path.strip().strip("/")
    kobold = next((route for route in KOBOLD_ROUTES if path.endswith(route)), None)
    if kobold is not None and isinstance(body.get("prompt"), str):
        return OwnRoute(
            {"stream": True, "messages": [{"role": "user", "content": body["prompt"]}]}
            | {_SETTINGS[key]: value for key, value in body.items() if key in _SETTINGS},
            CHAT_PATH,
            path.removesuffix(kobold),
            f"KoboldCpp is asked at {CHAT_PATH}, which it also has",
        )
    if not path.endswith(OLLAMA_ROUTE) or "model" not in body or "prompt" not in body:
        return None
    found: dict[str, object] = {"model": body["model"], "stream": body.get("stream", True)}
    system = [{"role": "system", "content": body["system"]}] if isinstance(body.get("system"), str) else []
    found["messages"] = [*system, {"role": "user", "content": body["prompt"]}]
    options = body.get("options")
    if isinstance(options, Mapping):
        found |= {_OPTIONS[key]: value for key, value in options.items() if key in _OPTIONS}
    return OwnRoute(
        found,
        CHAT_PATH,
        path.removesuffix(OLLAMA_ROUTE),
        f"Ollama is asked at {CHAT_PATH}, which it also has",
    )
