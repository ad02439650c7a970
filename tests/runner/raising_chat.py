"""A chat whose users raise an exception of our own after their first turn, for test_exit_codes.py."""

from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.runner import locust_users

install(SHAPE)


class ChatUser(locust_users.ChatUser):
    """A person at a keyboard, and a bug."""

    pauses = 0

    def wait_time(self) -> float:
        """Raise in the first pause."""
        self.pauses += 1
        if self.pauses == 1:
            raise RuntimeError("a bug of ours")
        return super().wait_time()
