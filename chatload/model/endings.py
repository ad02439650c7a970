"""Finish reasons that are no good end of a reply, in small letters, and the code of each (docs/metrics.md)."""

from __future__ import annotations

import re

ABORTED = frozenset(
    (
        "abort",
        "aborted",
        "cancelled",
        "canceled",
        "error",
        "failed",
        "insufficient_system_resource",  # DeepSeek
        "interrupted",
        "malformed_function_call",  # Gemini
        "timeout",
        "unavailable",
    )
)
"""The server gave up."""
_ABORTED = re.compile(r"error|abort|cancell?ed|overload|fail|timed?_?out|exception|unavailable")
"""Parts of words of that meaning: network_error (Zhipu), server_error, engine_overloaded."""
FILTERED = frozenset(
    (
        "blocklist",
        "content_filter",  # OpenAI, Azure
        "content_filtered",
        "guardrail_intervened",  # Bedrock
        "prohibited_content",
        "recitation",
        "sensitive",  # Zhipu
        "spii",
    )
)
"""A content filter withheld the reply, or the rest of it."""
_FILTERED = re.compile(r"filter|safety|guardrail|moderat|blocked|censor")
"""Parts of words of that meaning: content_filter, image_safety (Gemini)."""

TOOL_CALLS = frozenset(("tool_calls", "function_call"))
"""The reply asks for a tool instead of answering."""
_GOOD = frozenset(("stop", "length", *TOOL_CALLS))
"""The usual ends."""


def ending_code(finish: str) -> str | None:
    """The code of a reply that ended with this finish reason; None for a good end."""
    if finish in _GOOD:
        return None
    word = finish.strip().lower()
    if word in FILTERED or _FILTERED.search(word):
        return "filtered"
    return "aborted" if word in ABORTED or _ABORTED.search(word) else None
