"""The JSON body of an HTTP Request as options of ours: what it says, and to which kind of server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from chatload.options.request_target import names_secret
from chatload.protocols.registry import DIALECTS

_SECRET_KEYS = re.compile(
    r"(api|access|auth|private|secret)[-_]?(key|token)|authorization|passw|secret|cookie", re.I
)
_SECRET_VALUES = re.compile(r"\s*(bearer|basic)\s+\S|sk-[\w-]{8}|hf_\w{8}", re.I)


@dataclass(slots=True)
class Carried:
    """What a body comes to. `body` are the fields that no option of ours is for; they go out as they are."""

    server: str
    prompt: str
    options: dict[str, str | int | float] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


class NoPromptError(Exception):
    """The body asks no language model anything."""


def carried_body(body: Mapping[str, Any], path: str) -> Carried:
    """The options a body comes to; raises NoPromptError. `path` tells servers apart that use the same keys."""
    rest = dict(body)
    if "messages" in rest:
        found = _chat(rest)
    elif isinstance(rest.get("inputs"), str):
        found = _tgi(rest)
    elif isinstance(rest.get("prompt"), str):
        server = "vllm-generate" if path.rstrip("/").endswith("/generate") else "openai-completions"
        found = Carried(server, str(rest.pop("prompt")))
        _keep_edges(found, "prompt", found.prompt)
    else:
        raise NoPromptError("its JSON has neither messages nor prompt nor inputs as one text")
    if not found.prompt.strip():
        raise NoPromptError("its prompt is empty")
    _model(found, rest)
    _lengths(found, rest)
    _streaming(found, rest)
    _keep(found, rest)
    return found


def is_secret(name: str, value: object) -> bool:
    """True for what must not be written to a file: keys, tokens, cookies, by name of header or look of value."""
    return names_secret(name) or looks_secret(value)


def looks_secret(value: object) -> bool:
    """True for values that look like a key, whatever they are called."""
    return isinstance(value, str) and _SECRET_VALUES.search(value) is not None


def _chat(rest: dict[str, Any]) -> Carried:
    messages = rest.pop("messages")
    texts = [_text(message) for message in messages] if isinstance(messages, list) else []
    users = [text for role, text in texts if role == "user"]
    if not users:
        raise NoPromptError("its messages hold none of role user")
    found = Carried("openai", users[-1])
    plain = len(messages) == 1 and set(messages[0]) <= {"role", "content"}
    if not plain or messages[0].get("content") != found.prompt or found.prompt.strip() != found.prompt:
        found.body["messages"] = messages
        found.notes.append(
            f"{len(messages)} message(s) go out as they are, in body; prompt is what reports show"
        )
    return found


def _text(message: object) -> tuple[str, str]:
    """Role and text of a message; text parts are joined, other parts have none."""
    if not isinstance(message, dict):
        return "", ""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = " ".join(part for part in parts if isinstance(part, str))
    return str(message.get("role", "")), content if isinstance(content, str) else ""


def _tgi(rest: dict[str, Any]) -> Carried:
    found = Carried("tgi", str(rest.pop("inputs")))
    _keep_edges(found, "inputs", found.prompt)
    parameters = rest.pop("parameters", None)
    rest.update(parameters if isinstance(parameters, dict) else {})
    return found


def _keep_edges(found: Carried, key: str, prompt: str) -> None:
    """An option loses blanks at its ends; a prompt that has some goes out by way of the body."""
    if prompt.strip() != prompt:
        found.body[key] = prompt
        found.notes.append("the prompt has blanks at its ends, so it goes out in body")


def _model(found: Carried, rest: dict[str, Any]) -> None:
    model = rest.pop("model", None)
    if isinstance(model, str) and model.strip():
        found.options["model"] = model
    elif found.server.startswith("openai"):
        found.notes.append("no model in the body: the server is asked for its first one")


def _lengths(found: Carried, rest: dict[str, Any]) -> None:
    key = "max_new_tokens" if found.server == "tgi" else "max_tokens"
    found.options["max-tokens"] = _taken(rest, key, 1, whole=True) or 0
    temperature = _taken(rest, "temperature", 0, whole=False)
    found.options["temperature"] = "" if temperature is None else temperature


def _taken(rest: dict[str, Any], key: str, least: float, *, whole: bool) -> int | float | None:
    """Takes a number out of `rest` that an option of ours can say; others stay for `body`."""
    value = rest.get(key)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or value < least:
        return None
    return rest.pop(key)  # type: ignore[no-any-return]


def _streaming(found: Carried, rest: dict[str, Any]) -> None:
    if rest.pop("stream", found.server == "tgi") is not True:
        found.losses.append(
            "the body does not stream: chatload always asks for a stream, there is no first token without one"
        )
    options = rest.get("stream_options")
    if found.server != "openai" and found.server != "openai-completions":
        return
    if options == {"include_usage": True}:
        del rest["stream_options"]
    elif options is not None:
        found.notes.append("stream_options go out as they are; the token count may be missing then")
    else:
        found.notes.append(
            'usage = "on" adds stream_options to the body, for the server\'s token count; "off" leaves it out'
        )


def _keep(found: Carried, rest: dict[str, Any]) -> None:
    """What is left goes into `body` as it is, secrets apart."""
    for key, value in rest.items():
        if _SECRET_KEYS.search(key) or looks_secret(value):
            found.losses.append(f"{key[:40]!r} in the body looks like a secret: not written")
        else:
            found.body[key] = value


def json_object(text: str) -> dict[str, Any]:
    """The JSON object of a body; raises NoPromptError."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NoPromptError(f"its body is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise NoPromptError("its body is no JSON object")
    return content


def split_path(path: str, server: str) -> tuple[str, str]:
    """(what belongs to the host, path that chatload posts to instead of the plan's, or empty)."""
    posted = DIALECTS[server].path
    path = "/" + path.strip().strip("/")
    if path.endswith(posted):
        return path[: -len(posted)], ""
    if server == "tgi":
        return path.removesuffix("/generate").rstrip("/"), posted
    return "", posted
