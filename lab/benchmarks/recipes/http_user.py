"""Plain Locust, as its documentation suggests: HttpUser, stream=True, requests' iter_lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from locust import HttpUser, task

sys.path.insert(0, str(Path(__file__).parent))
import plan


class Reader(HttpUser):
    """One chat user."""

    def on_start(self) -> None:
        self.turns = plan.Turns()

    @task
    def chat(self) -> None:
        headers = self.turns.begin()
        sent_ns = time.perf_counter_ns()
        with self.client.post(
            plan.PATH, json=plan.BODY, headers=headers, stream=True, catch_response=True
        ) as response:
            stamps_ns = plan.stamped(self.texts(response))
        self.turns.heard(headers, sent_ns, stamps_ns)

    def texts(self, response: object) -> Iterator[str | None]:
        if plan.WIRE == "nul":
            lines = response.iter_lines(chunk_size=None, delimiter=b"\0")  # type: ignore[attr-defined]
            yield from (plan.text_of(line) for line in lines if line)
            return
        for line in response.iter_lines(chunk_size=None):  # type: ignore[attr-defined]
            if line.startswith(b"data:"):
                yield plan.text_of(line[5:].strip())
