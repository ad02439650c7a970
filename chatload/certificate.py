"""A certificate of the client's accuracy, as `python -m chatload certify` writes it and a run names it."""

from __future__ import annotations

from typing import Any

import orjson

from chatload.files import MB, read_input, shown
from chatload.model.errors import UsageError

KIND = "certificate"
OBJECTS = ("ttft_error_ms", "load", "machine", "versions")
NUMBERS = (("ttft_error_ms", "p99"), ("load", "users"))
"""What the report reads of a certificate."""


def read_certificate(path: str) -> dict[str, Any]:
    """The certificate in a file. UsageError, in the user's words, if it is none."""
    remedy = "make one with python -m chatload certify"
    raw, name = read_input(path, remedy, MB), shown(path)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UsageError([f"{name}:{error.lineno}: not JSON, so not a certificate: {remedy}"]) from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise UsageError([f"{name}:1: not a certificate: {remedy}"])
    wrong = [key for key in OBJECTS if not isinstance(found.get(key, {}), dict)]
    wrong += [f"{key}.{part}" for key, part in NUMBERS if key not in wrong and not _fits(found, key, part)]
    if wrong:
        raise UsageError([f"{name}: {', '.join(wrong)}: not as a certificate has it: {remedy}"])
    return found


def _fits(found: dict[str, Any], key: str, part: str) -> bool:
    """Whether a number of a certificate is one, where it is there."""
    value = found.get(key, {}).get(part, 0)
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
