"""The chat load as a scenario of one's own: what its way through `chat.ask` costs."""

from locust import task

from chatload import ChatUser


class Talker(ChatUser):
    """Sends the same message each turn, as the ready-made user does."""

    @task
    def talk(self) -> None:
        """One message, a conversation of its own."""
        self.chat.reset()
        self.chat.ask("Once a upon time,")
