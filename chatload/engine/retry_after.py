"""How long a server that refuses asks to be left alone: Retry-After, in seconds or as a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

WITHOUT_HEADER_S = 1.0
"""Pause after a 429 whose Retry-After is missing or cannot be read, in s."""
TOO_MANY = 429
UNAVAILABLE = (503, 529)
"""Statuses that are waited for only where they carry a Retry-After: without one they are failures."""


def pause_s(status: int, header: Callable[[str], str]) -> float | None:
    """The pause, in s, after a reply with this status; None where it does not ask to be asked again.

    `header(name)` is a response header, empty if absent. `retry-after-ms` is OpenAI's and Azure's finer form.
    """
    if status != TOO_MANY and status not in UNAVAILABLE:
        return None
    asked = _number(header("retry-after-ms"))
    if asked is not None:
        return asked / 1000
    told = header("retry-after").strip()
    asked = _number(told)
    if asked is None:
        asked = _until(told, header("date"))
    if asked is None and status == TOO_MANY:
        return WITHOUT_HEADER_S
    return asked


def _number(text: str) -> float | None:
    """A number of 0 or more, or None; negative ones are 0."""
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _until(text: str, server_date: str) -> float | None:
    """s until a date, by the server's own clock (its Date header) where it tells; a date that has passed is 0."""
    at = _date(text)
    if at is None:
        return None
    now = _date(server_date)
    return max(0.0, at - (time.time() if now is None else now))


def _date(text: str) -> float | None:
    """Unix time of an HTTP date, in any of its three forms; one without a zone (asctime) is GMT."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
