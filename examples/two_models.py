"""Two models side by side, each on a server of its own: the same questions, kept apart by user class.

chatload run examples/two_models.py --headless --users 20 --spawn-rate 2 --turns 10
"""

from locust import task

from chatload import ChatUser


class Asks(ChatUser):
    """What users of both models do."""

    abstract = True

    @task
    def ask(self) -> None:
        """A question and one that follows from it."""
        self.chat.ask("Why is the sky blue?", name="ask", max_tokens=200)


class Small(Asks):
    """Users of the small model."""

    host = "http://gpu-1:8000"
    model = "llama-3-8b"


class Large(Asks):
    """Users of the large one."""

    host = "http://gpu-2:8000"
    model = "llama-3-70b"
