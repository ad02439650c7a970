"""A chat whose users raise an exception of our own after their first turn, for test_exit_codes.py."""

from chatload import run
from chatload.plan import CHAT_OPTIONS, chat_plan
from chatload.users import chat

run.install(chat_plan, CHAT_OPTIONS)


class ChatUser(chat.ChatUser):
    """A person at a keyboard, and a bug."""

    pauses = 0

    def wait_time(self) -> float:
        """Raise in the first pause."""
        self.pauses += 1
        if self.pauses == 1:
            raise RuntimeError("a bug of ours")
        return super().wait_time()
