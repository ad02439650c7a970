"""Names of columns, compared without regard to case and punctuation."""

from __future__ import annotations

import re
from functools import lru_cache

SESSIONS = ("session_id", "conversation_id", "conv_id", "dialog_id", "dialogue_id")
"""Names of columns that name the conversation of a row."""


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """The name of a column in lower case, its words joined by `_`: `Request tokens` becomes `request_tokens`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_")
