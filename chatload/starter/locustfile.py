"""Visitors who hold the conversations of prompts.jsonl: one question after another, and time to read each reply."""

import json
import random
from pathlib import Path

from locust import task

from chatload import ChatUser

LINES = Path(__file__).with_name("prompts.jsonl").read_text(encoding="utf-8").splitlines()
CONVERSATIONS = [json.loads(line)["turns"] for line in LINES]


class Visitor(ChatUser):
    """Begins one conversation after another, until it has held its turns."""

    system_prompt = "Answer in one or two sentences."

    @task
    def conversation(self) -> None:
        """Ask the questions of one line; a failed turn ends it. `name` is the turn's row in tables and SLOs."""
        self.chat.reset()
        for number, question in enumerate(random.choice(CONVERSATIONS)):
            reply = self.chat.ask(question, name="follow-up" if number else "first")
            if reply.ok and not reply.text.strip():
                reply.failure("empty answer")
            if not reply.ok:
                return
            self.wait()
