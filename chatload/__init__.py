"""chatload: how many people can chat with an LLM server before it feels slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatload.scenario import Chat, ChatUser, Delta, Reply, ToolCall, Turn, TurnFailure

__version__ = "0.2.0"
__all__ = ["Chat", "ChatUser", "Delta", "Reply", "ToolCall", "Turn", "TurnFailure", "__version__"]


def __getattr__(name: str) -> object:
    """What scenarios of one's own import; it comes with Locust, which the reports do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("chatload.scenario"), name)
