"""Finish reasons that are no good end of a reply, in small letters, and the code of each (docs/metrics.md)."""

from __future__ import annotations

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
        "network_error",  # Zhipu
        "server_error",
        "timeout",
        "unavailable",
    )
)
"""The server gave up."""
FILTERED = frozenset(
    (
        "blocklist",
        "content_filter",  # OpenAI, Azure
        "content_filtered",
        "guardrail_intervened",  # Bedrock
        "prohibited_content",
        "recitation",
        "safety",  # Gemini
        "sensitive",  # Zhipu
        "spii",
    )
)
"""A content filter withheld the reply, or the rest of it."""

TOOL_CALLS = frozenset(("tool_calls", "function_call"))
"""The reply asks for a tool instead of answering."""


def ending_code(finish: str) -> str | None:
    """The code of a reply that ended with this finish reason; None for a good end."""
    word = finish.strip().lower()
    return "aborted" if word in ABORTED else "filtered" if word in FILTERED else None
