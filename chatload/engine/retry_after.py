"""How long to pause after a refusal: by Retry-After, in seconds or as a date (RFC 9110, 10.2.3), or by back-off."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Pauses after refusals without Retry-After, in s: the first, doubled each time up to the longest."""
TOO_MANY = 429
UNAVAILABLE = (503, 529)
"""Further statuses of a server that accepts no more requests for now."""


def pause_s(status: int, header: Callable[[str], str]) -> float | None:
    """The pause, in s, that a reply with this status asks for; None if it asks for none.

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
    return asked


def back_off_s(seed: str, refusals: int) -> float:
    """The pause, in s, after a refusal without one of its own, drawn by the seed; `refusals` is how many came before.

    Uniform between a half and the whole of 1, 2, 4, … 30 s, so that users who were refused together spread out.
    """
    whole: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(refusals, 10))
    return whole * random.Random(f"back off {seed}").uniform(0.5, 1.0)


def _number(text: str) -> float | None:
    """The number in a text, at least 0; None if it is not a finite number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _until(text: str, server_date: str) -> float | None:
    """s until a date by the server's clock (its Date header), else by ours; 0 for a past date, None if invalid."""
    at = _date(text)
    if at is None:
        return None
    now = _date(server_date)
    return max(0.0, at - (time.time() if now is None else now))


def _date(text: str) -> float | None:
    """Unix time of an HTTP date in any of its three forms; without a zone (asctime) it is GMT. None if invalid."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
