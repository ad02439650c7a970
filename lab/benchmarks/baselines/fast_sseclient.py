"""Plain Locust, the careful way: FastHttpUser, one readline per event, sseclient-py, orjson."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from locust import FastHttpUser, task
from sseclient import SSEClient

sys.path.insert(0, str(Path(__file__).parent))
import bench_load


class Reader(FastHttpUser):
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
            stamps_ns = bench_load.stamped(self.texts(response.stream))
        self.turns.ended(headers, sent_ns, stamps_ns)

    def texts(self, stream: object) -> Iterator[str | None]:
        if bench_load.WIRE == "nul":
            yield from (bench_load.text_of(frame[:-1]) for frame in pieces(stream, b"\0"))
            return
        for event in SSEClient(pieces(stream, b"\n\n")).events():
            yield bench_load.text_of(event.data)


def pieces(stream: object, end: bytes) -> Iterator[bytes]:
    """The body, cut after each `end`: read(n) and iter_content would wait for more than one event."""
    while True:
        piece = bytes(stream.readline(end))  # type: ignore[attr-defined]
        if not piece:
            return
        yield piece
