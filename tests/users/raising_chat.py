"""A chat whose second turn of user 0 raises an exception of our own, for test_exit_codes.py."""

from typing import Any

from locust import task

from chatload import run
from chatload.plan import CHAT_OPTIONS, chat_plan
from chatload.users import chat

run.install(chat_plan, CHAT_OPTIONS)


class ChatUser(chat.ChatUser):
    """A person at a keyboard, and a bug."""

    turns_begun = 0

    @task
    def hold_turn(self) -> Any:
        """Raise in the second turn."""
        self.turns_begun += 1
        if self.turns_begun == 2:
            raise RuntimeError("a bug of ours")
        return super().hold_turn()
