"""What an answer looks like without its text: status, header lines, framing, and the shape of its body or events."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

TIMES = r"x-(?:compute|total|validation|queue|inference)-time|x-time-per-token"
VARIES = re.compile(rf"(?i)^(date|content-length|{TIMES}): .*")
COUNTED = re.compile(r"(?i)^(x-(?:prompt|generated)-tokens): \d+")
NUMBERS = re.compile(r"\d+")
BUILD = re.compile(r"(?<=-)[0-9a-f]{8}$|^b\d+-\w+$")
"""The part of a fingerprint that says which build it was."""
SHOWN = """
finish_reason object role error_type type http_status_code special model_pipeline_tag model_dtype model_device_type
max_concurrent_requests max_best_of max_stop_sequences max_input_length max_input_tokens max_total_tokens
waiting_served_ratio max_batch_total_tokens max_waiting_tokens validation_workers max_client_batch_size router version
system_fingerprint owned_by completion_tokens generated_tokens
"""
AS_THEY_ARE = frozenset(SHOWN.split())
"""Fields whose values are compared, beside those of errors; of others the type is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """See the module. `head`: status and header lines; `body`: a stream's events in order, equal neighbours once."""

    head: tuple[str, ...]
    framing: str
    body: tuple[str, ...]
    whole: bool


def shape_of(answer: bytes) -> Shape:
    """The shape of a complete or broken answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    masked = tuple(COUNTED.sub(r"\1: N", VARIES.sub(r"\1: …", line)) for line in lines)
    names = {line.partition(":")[0].lower(): line for line in lines}
    if "transfer-encoding" in names:
        chunks, whole, case = _chunks(body)
        page = "text/plain" in names.get("content-type", "")
        items = (_whole(b"".join(chunks).decode("utf-8", "replace")),) if page else _events(chunks)
        return Shape(masked, f"chunked, sizes in {case} case", items, whole)
    length = int(names["content-length"].partition(":")[2]) if "content-length" in names else None
    framing = "until close" if length is None else "content-length"
    whole = length is None or len(body) == length
    if "text/event-stream" in names.get("content-type", ""):
        return Shape(masked, framing, _events([body]), whole)
    return Shape(masked, framing, (_whole(body.decode("utf-8", "replace")),), whole)


def _chunks(body: bytes) -> tuple[list[bytes], bool, str]:
    """The chunks, whether the last one is there, and the case of the letters in their sizes."""
    chunks: list[bytes] = []
    letters = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        letters += size
        count = int(size, 16)
        if not count:
            return chunks, True, _case(letters)
        chunks.append(rest[:count])
        body = rest[count + 2 :]
    return chunks, False, _case(letters)


def _case(letters: bytes) -> str:
    return "lower" if letters != letters.upper() else "upper"


def _events(chunks: list[bytes]) -> tuple[str, ...]:
    """Per chunk its events; a chunk of several is one item."""
    found: list[str] = []
    for chunk in chunks:
        events = [event for event in chunk.decode("utf-8", "replace").split("\n\n") if event]
        item = " + ".join(_event(event) for event in events)
        if found[-1:] != [item]:
            found.append(item)
    return tuple(found)


def _event(event: str) -> str:
    start = re.match(r"data: ?", event)
    if start is None and event.endswith("\0"):  # vLLM's native frames
        return _text(_skeleton(json.loads(event.removesuffix("\0")))) + "\0"
    if start is None:
        return event
    payload = event[start.end() :]
    try:
        return start[0] + _text(_skeleton(json.loads(payload)))
    except ValueError:
        return event


def _whole(text: str) -> str:
    try:
        return _text(_skeleton(json.loads(text)))
    except ValueError:
        return " ".join(sorted(re.findall(r"# TYPE (\S+ \S+)", text))) if text.startswith("# ") else text


def _skeleton(value: Any, name: str = "") -> Any:
    """Keys in order; the type of each value, or the value where that is compared; equal neighbours in lists once."""
    if isinstance(value, dict):
        error = "error" in value or "http_status_code" in value or value.get("object") == "error"
        return {key: _value(each, key, error=error) for key, each in value.items()}
    if isinstance(value, list):
        items = [_skeleton(each) for each in value]
        return [item for place, item in enumerate(items) if not place or item != items[place - 1]]
    return _value(value, name, error=False)


def _value(value: Any, name: str, *, error: bool) -> Any:
    if isinstance(value, dict | list):
        return _skeleton(value)
    if isinstance(value, str) and (error or name == "error"):
        return NUMBERS.sub("N", value) if "Given" in value or "Input length" in value else value
    if name == "system_fingerprint" and isinstance(value, str):
        return BUILD.sub("…", value)
    if name in AS_THEY_ARE or value is None or isinstance(value, bool):
        return value
    return "number" if isinstance(value, int | float) else "text"


def _text(skeleton: Any) -> str:
    return json.dumps(skeleton, ensure_ascii=False, separators=(",", ":"))
