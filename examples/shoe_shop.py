"""A shop assistant in a conversation, and the shop's own pages beside it.

chatload run examples/shoe_shop.py --headless --users 4 --spawn-rate 10 --turns 5 --host http://gpu:8000
"""

from locust import HttpUser, between, task

from chatload import ChatUser


class Shopper(ChatUser):
    """Asks for shoes, and begins a new conversation now and then."""

    weight = 3
    wait_time = between(1, 4)
    system_prompt = "You sell shoes."
    model = "llama-3-8b"

    @task(3)
    def ask(self) -> None:
        """Ask within the conversation so far."""
        reply = self.chat.ask("Which shoes for rain?", name="ask", max_tokens=200)
        if reply.ok and len(reply.text) < 20:
            reply.failure("too short")

    @task
    def start_over(self) -> None:
        """Forget what was said."""
        self.chat.reset()


class Api(HttpUser):
    """Looks at a page of the same host; the run does not wait for it."""

    wait_time = between(1, 2)

    @task
    def health(self) -> None:
        """The server's own health."""
        self.client.get("/health")
