"""Plain Locust, as its documentation suggests: HttpUser, stream=True, requests' iter_lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from locust import HttpUser, task

sys.path.insert(0, str(Path(__file__).parent))
import bench_load


class Reader(HttpUser):
    """One chat user."""

    def on_start(self) -> None:
        self.turns = bench_load.Turns()

    @task
    def chat(self) -> None:
        headers = self.turns.begin()
        sent_ns = time.perf_counter_ns()
        with self.client.post(
            bench_load.PATH, json=bench_load.BODY, headers=headers, stream=True, catch_response=True
        ) as response:
            stamps_ns = bench_load.stamped(self.texts(response))
        self.turns.ended(headers, sent_ns, stamps_ns)

    def texts(self, response: object) -> Iterator[str | None]:
        if bench_load.WIRE == "nul":
            lines = response.iter_lines(chunk_size=None, delimiter=b"\0")  # type: ignore[attr-defined]
            yield from (bench_load.text_of(line) for line in lines if line)
            return
        for line in response.iter_lines(chunk_size=None):  # type: ignore[attr-defined]
            if line.startswith(b"data:"):
                yield bench_load.text_of(line[5:].strip())
