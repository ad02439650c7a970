"""Converts the JSON body of an HTTP Request to options and a dialect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from chatload.interop.jmx.changing import CLOSE, OPEN
from chatload.interop.jmx.variables import closing, how_to_give
from chatload.options.request_headers import names_secret
from chatload.protocols.dialect import Dialect, ForeignBody, NoPromptError
from chatload.protocols.registry import DIALECTS

_SECRET_KEYS = re.compile(
    r"(api|access|auth|private|secret)[-_]?(key|token)|authorization|passw|secret|cookie", re.I
)
_SECRET_VALUES = re.compile(r"\s*(bearer|basic)\s+\S|sk-[\w-]{8}|hf_\w{8}", re.I)


@dataclass(slots=True)
class Carried:
    """A body as options. `body`: the fields without an option, which are sent unchanged."""

    dialect: Dialect
    prompt: str
    options: dict[str, str | int | float] = field(default_factory=dict)
    body: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def carried_body(body: Mapping[str, object], path: str) -> Carried:
    """The options of a body; raises NoPromptError. `path` decides between dialects with the same keys."""
    dialect, found = _read(body, path)
    if not found.prompt.strip():
        raise NoPromptError("its prompt is empty")
    carried = Carried(dialect, found.prompt, notes=found.notes)
    if found.model:
        carried.options["model"] = found.model
    if found.system:
        carried.options["system-prompt"] = found.system
    carried.options["max-tokens"] = found.max_tokens or 0
    carried.options["temperature"] = "" if found.temperature is None else found.temperature
    if not found.streams:
        carried.losses.append(
            "the body does not stream: chatload always asks for a stream, there is no first token without one"
        )
    for key, value in found.extra.items():
        if _SECRET_KEYS.search(key) or _holds_secret(value):
            carried.losses.append(f"{key[:40]!r} in the body looks like a secret: not written")
        else:
            carried.body[key] = value
    return carried


def _read(body: Mapping[str, object], path: str) -> tuple[Dialect, ForeignBody]:
    """(dialect, content) of a body: of the dialects that can read it, the one with this path, else the first."""
    path = path.rstrip("/")
    for dialect in sorted(DIALECTS.values(), key=lambda one: not path.endswith(one.path)):
        found = dialect.read_body(body)
        if found is not None:
            return dialect, found
    raise NoPromptError("its JSON has neither messages nor prompt nor input nor inputs as one text")


def is_secret(name: str, value: object) -> bool:
    """Whether a header must not be written to a file: by name or value it is a key, token or cookie."""
    return names_secret(name) or looks_secret(value)


def looks_secret(value: object) -> bool:
    """Whether a value looks like a key."""
    return isinstance(value, str) and _SECRET_VALUES.search(value) is not None


def _holds_secret(value: object) -> bool:
    """Whether a value of a body is or contains a key, by the names or values in it."""
    if isinstance(value, dict):
        return any(_SECRET_KEYS.search(key) or _holds_secret(one) for key, one in value.items())
    if isinstance(value, list):
        return any(map(_holds_secret, value))
    return looks_secret(value)


def json_object(text: str) -> tuple[dict[str, object], dict[str, str]]:
    """(the JSON object of a body, {field: reference} of unresolved ones). Raises NoPromptError.

    `{"max_tokens": ${maxTokens}}` is JSON only after JMeter has filled in the variable: such fields are removed.
    """
    if text.strip().startswith("${") and closing(text.strip(), 2) == len(text.strip()) - 1:
        reference = text.strip()
        raise NoPromptError(f"its body is {reference[:80]}: {how_to_give(reference)}")
    try:
        content = orjson.loads(_quoted_references(text))
    except orjson.JSONDecodeError as error:
        raise NoPromptError(f"its body is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise NoPromptError("its body is no JSON object")
    open_fields = {
        key: value[len(_MARK) :]
        for key, value in content.items()
        if isinstance(value, str) and value.startswith(_MARK)
    }
    for key in ("messages", "prompt", "inputs", "input"):
        if key in open_fields:
            reference = open_fields[key]
            remedy = how_to_give(reference)
            raise NoPromptError(f"its {key} are {reference[:80]}: {remedy}, or a file with prompts = …")
    kept = {key: _unmarked(value) for key, value in content.items() if key not in open_fields}
    return kept, open_fields


_MARK = "\x00reference "


def _quoted_references(text: str) -> str:
    """The text with every reference outside quotation marks as a marked JSON string."""
    parts: list[str] = []
    at, inside = 0, False
    while at < len(text):
        if not inside and text[at] == OPEN:
            end = text.index(CLOSE, at)
            parts.append(orjson.dumps(f"#{text[at : end + 1]}").decode())
            at = end + 1
            continue
        end = closing(text, at + 2) if not inside and text.startswith("${", at) else -1
        if end > 0:
            parts.append(orjson.dumps(_MARK + text[at : end + 1]).decode())
            at = end + 1
            continue
        if inside and text[at] == "\\":
            parts.append(text[at : at + 2])
            at += 2
            continue
        inside ^= text[at] == '"'
        parts.append(text[at])
        at += 1
    return "".join(parts)


def _unmarked(value: object) -> object:
    """The value without the marks of references."""
    if isinstance(value, str):
        return value.removeprefix(_MARK)
    if isinstance(value, list):
        return [_unmarked(one) for one in value]
    if isinstance(value, dict):
        return {key: _unmarked(one) for key, one in value.items()}
    return value


def split_path(path: str, dialect: Dialect) -> tuple[str, str]:
    """(part of the path that belongs to --host, path that chatload uses instead; empty if it is the plan's)."""
    path = "/" + path.strip().strip("/")
    if path.endswith(dialect.path):
        return path[: -len(dialect.path)], ""
    if dialect.whole_reply_path:
        return path.removesuffix(dialect.whole_reply_path).rstrip("/"), dialect.path
    return "", dialect.path
