"""Questions about documents (RAG): long prompts that differ from turn to turn, and short answers.

Each turn is named by the number of its passages, so that the report shows TTFT by length of the prompt.
chatload run examples/rag.py --headless --users 20 --spawn-rate 2 --turns 10 --host http://gpu:8000
"""

import random

from locust import task

from chatload import ChatUser

SAMPLE = "the order was sent to another address because the customer had moved before it could be paid"
PASSAGES = [
    f"[{number}] {' '.join(random.choices(SAMPLE.split(), k=150))}." for number in range(200)
]  # or yours


class Reader(ChatUser):
    """Asks about passages that a search has found; each question is a new conversation."""

    system_prompt = "Answer from the passages only, and name the number of the passage."
    max_tokens = 60
    temperature = 0

    @task(3)
    def ask_about_a_few(self) -> None:
        """The usual question."""
        self.ask(4)

    @task(1)
    def ask_about_many(self) -> None:
        """A question for which the search found much."""
        self.ask(16)

    def ask(self, count: int) -> None:
        """A question about this many passages, drawn anew: a prefix cache has only the system prompt."""
        self.chat.reset()
        found = random.sample(PASSAGES, count)
        self.chat.ask("\n\n".join([*found, "Why was the order sent elsewhere?"]), name=f"{count} passages")
