"""What a locustfile imports from chatload for a scenario of its own; importing it adds chatload to Locust.

Imported as `from chatload import ChatUser`, which imports Locust only then.
"""

from __future__ import annotations

from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.model.turn import Delta, ToolCall, Turn
from chatload.runner.conversations import Chat
from chatload.runner.replies import Reply, TurnFailure
from chatload.runner.scenario_user import ChatUser

__all__ = ["Chat", "ChatUser", "Delta", "Reply", "ToolCall", "Turn", "TurnFailure"]

install(SHAPE)
