"""What a server is, judged from its answers to a few GET requests (`--server auto`, manifest).

Pure: the caller asks (PROBE_PATHS), this file reads. Every text in the answers is a stranger's: it is cut
to one printable line of at most 100 characters before anyone sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from chatload.protocols.event_data import printable

PROBE_PATHS: tuple[str, ...] = ("/info", "/version", "/props", "/v1/models", "/health", "/generate")

Answers = Mapping[str, tuple[int, bytes]]

# `owned_by` in GET /v1/models, lower case -> how we call the server
_OWNERS: dict[str, str] = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "lmdeploy": "lmdeploy",
    "llamacpp": "llama.cpp",
    "tabbyapi": "TabbyAPI",
    "fastchat": "FastChat",
}

_OPENAI = frozenset({"openai", "openai-completions"})


@dataclass(frozen=True, slots=True)
class Found:
    """What a server turned out to be. Empty `name` and `dialect` None: nothing we know.

    `words` is what to tell the user: "vLLM 0.33.0 (GET /version)".
    """

    name: str
    version: str
    dialect: str | None
    model: str
    words: str


def recognise(answers: Answers) -> Found:
    """The server behind `answers`: (status, body) by path, paths without an answer left out."""
    model, owner = _model(answers)
    info = _object(answers, "/info")
    if _line(info, "model_id") and "version" in info:
        return _found("TGI", _line(info, "version"), "tgi", _line(info, "model_id"), "/info")
    props = _object(answers, "/props")
    if "default_generation_settings" in props or "build_info" in props:
        return _found("llama.cpp", _line(props, "build_info"), "openai", model, "/props")
    version = _line(_object(answers, "/version"), "version")
    name = _OWNERS.get(owner.lower(), "")
    if version and name in ("", "vLLM"):
        return _found("vLLM", version, "openai", model, "/version")
    if name:
        return _found(name, version, "openai", model, "/v1/models")
    if "data" in _object(answers, "/v1/models"):
        words = f'an OpenAI-compatible server, owned_by "{owner}" (GET /v1/models)'
        return Found("OpenAI-compatible", "", "openai", model, words)
    if _is_native_vllm(answers):
        words = "vLLM's api_server of 2023 (GET /generate: 405, GET /v1/models: 404)"
        return Found("vLLM api_server", "", "vllm-generate", "", words)
    seen = ", ".join(f"GET {path}: {_status(answers, path)}" for path in PROBE_PATHS)
    return Found("", "", None, "", f"no server we know ({seen})")


def speaks(found: Found, dialect: str) -> bool | None:
    """Whether the server speaks a dialect; None when its answers do not tell."""
    if not found.name:
        return None
    if found.name == "TGI":
        return _tgi_speaks(found.version, dialect)
    if found.name == "vLLM api_server":
        return dialect == "vllm-generate"
    if found.name == "OpenAI-compatible":
        return True if dialect == "openai" else None
    return dialect in _OPENAI


def _tgi_speaks(version: str, dialect: str) -> bool | None:
    """TGI has a chat route from 1.4.0 on, a completions route from 1.4.5 or earlier on."""
    if dialect not in _OPENAI:
        return dialect == "tgi"
    numbers = []
    for part in version.lstrip("v").split("-")[0].split(".")[:2]:
        if not part.isdecimal() or len(part) > 6:
            return None
        numbers.append(int(part))
    if len(numbers) < 2:
        return None
    return numbers >= [1, 4]


def _found(name: str, version: str, dialect: str, model: str, path: str) -> Found:
    words = " ".join(word for word in (name, version, f"(GET {path})") if word)
    return Found(name, version, dialect, model, words)


def _model(answers: Answers) -> tuple[str, str]:
    """(id, owned_by) of the first model in GET /v1/models, empty where not told."""
    models = _object(answers, "/v1/models").get("data")
    first = models[0] if isinstance(models, list) and models else None
    if not isinstance(first, dict):
        return "", ""
    return _line(first, "id"), _line(first, "owned_by")


def _is_native_vllm(answers: Answers) -> bool:
    """FastAPI with nothing but POST /generate: 405 there, 404 everywhere else."""
    others = [path for path in PROBE_PATHS if path != "/generate" and path in answers]
    refused = _object(answers, "/generate", status=405).get("detail") == "Method Not Allowed"
    return refused and bool(others) and all(answers[path][0] == 404 for path in others)


def _object(answers: Answers, path: str, status: int = 200) -> dict[str, Any]:
    """The JSON object answered at `path` with `status`; empty when it is anything else."""
    code, body = answers.get(path, (0, b""))
    if code != status:
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _line(of: Mapping[str, Any], key: str) -> str:
    value = of.get(key)
    return printable(value, 100) if isinstance(value, str | int | float) else ""


def _status(answers: Answers, path: str) -> str:
    return str(answers[path][0]) if path in answers else "no answer"
