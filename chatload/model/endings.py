"""Finish reasons, in lower case, that make a reply a failure, and the code of each (docs/metrics.md)."""

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
"""The server gave up on the reply."""
_ABORTED = re.compile(r"error|abort|cancell?ed|overload|fail|timed?_?out|exception|unavailable")
"""Finish reasons that contain one of these are aborted too: network_error (Zhipu), engine_overloaded."""
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
"""Finish reasons that contain one of these are filtered too: image_safety (Gemini)."""

TOOL_CALLS = frozenset(("tool_calls", "function_call"))
"""The reply calls a tool instead of answering."""
_GOOD = frozenset(("stop", "length", *TOOL_CALLS))


def ending_code(finish: str) -> str | None:
    """The failure code of a reply that ended with this finish reason; None if it is a good or unknown one."""
    if finish in _GOOD:
        return None
    word = finish.strip().lower()
    if word in FILTERED or _FILTERED.search(word):
        return "filtered"
    return "aborted" if word in ABORTED or _ABORTED.search(word) else None
