"""Routes of servers that chatload does not speak, on servers that have another one which it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OLLAMA_ROUTES = ("/api/generate", "/api/chat")
CHAT_PATH = "/v1/chat/completions"
_OPTIONS = {
    "num_predict": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
}
"""Ollama's options, and their names in the OpenAI form."""


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """The same request for the route that is spoken. `prefix` is the part of the path that belongs to the host."""

    body: Mapping[str, object]
    path: str
    prefix: str
    words: str


def own_route(path: str, body: Mapping[str, object]) -> OwnRoute | None:
    """The request as a chat, if it is one to Ollama's own routes, which answer in lines of JSON; None for others.

    A body of /api/generate names a model and has a `prompt`, which TGI's and vLLM's /generate behind /api have not.
    """
    path = "/" + path.strip().strip("/")
    ends = next((route for route in OLLAMA_ROUTES if path.endswith(route)), None)
    if ends is None or "model" not in body or not ("prompt" in body or "messages" in body):
        return None
    found: dict[str, object] = {"model": body["model"], "stream": body.get("stream", True)}
    if "messages" in body:
        found["messages"] = body["messages"]
    else:
        system = (
            [{"role": "system", "content": body["system"]}] if isinstance(body.get("system"), str) else []
        )
        found["messages"] = [*system, {"role": "user", "content": body["prompt"]}]
    options = body.get("options")
    if isinstance(options, Mapping):
        found |= {_OPTIONS[key]: value for key, value in options.items() if key in _OPTIONS}
    return OwnRoute(
        found, CHAT_PATH, path.removesuffix(ends), f"Ollama is asked at {CHAT_PATH}, which it also has"
    )
