"""A support bot: a system prompt, conversations of three turns, and a check of each answer.

chatload run examples/support_bot.py --headless --users 20 --spawn-rate 2 --turns 9 --host http://gpu:8000
"""

import random

from locust import task

from chatload import ChatUser

CASES = (
    ("My parcel has not come.", "The order number is 4711.", "Can I have my money back?"),
    ("I cannot log in.", "I have tried that already.", "Then please delete my account."),
    ("The jacket is too small.", "I have worn it once.", "How long does the exchange take?"),
)


class Customer(ChatUser):
    """Tells one case after another, and thinks before each next message."""

    system_prompt = "You answer the customers of a web shop in two sentences. Never ask for a password."
    think_time = "exp 4"
    max_tokens = 120

    @task
    def case(self) -> None:
        """A conversation; a customer whose turn failed gives it up."""
        self.chat.reset()
        for number, message in enumerate(random.choice(CASES), start=1):
            reply = self.chat.ask(message, name=f"message {number}")
            if "password" in reply.text.lower():
                reply.failure("asks for a password")
            if not reply.ok:
                return
            self.wait()
