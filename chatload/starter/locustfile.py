"""Chat users who hold the conversations of prompts.jsonl, turn after turn, with think time in between."""

from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.runner import locust_users

install(SHAPE)


class ChatUser(locust_users.ChatUser):
    """Holds one conversation."""
