"""Shared by the plain Locust clients: load from the environment, a fixed prompt, one JSON line per answer.

They are written as Locust's users would write them, so they import nothing of chatload.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import gevent
from locust import events

TURNS = int(os.environ.get("BENCH_TURNS", "2"))
USERS = int(os.environ.get("BENCH_USERS", "1"))
THINK_S = float(os.environ.get("BENCH_THINK_S", "0.5"))
TOKENS = int(os.environ.get("BENCH_TOKENS", "100"))
WIRE = os.environ.get("BENCH_WIRE", "openai")
OUT = os.environ.get("BENCH_OUT", "answers.jsonl")

PATH = {"openai": "/v1/chat/completions", "tgi": "/generate_stream", "nul": "/generate"}[WIRE]
BODY = {
    "openai": {
        "model": "llama-2",
        "messages": [{"role": "user", "content": "Once a upon time,"}],
        "max_tokens": TOKENS,
        "stream": True,
    },
    "tgi": {"inputs": "Once a upon time,", "parameters": {"max_new_tokens": TOKENS}},
    "nul": {"prompt": "Once a upon time,", "max_tokens": TOKENS, "stream": True},
}[WIRE]

_answers: list[tuple[str, int, int, int, int]] = []
_environments: list[object] = []


@events.init.add_listener
def _remember(environment: object, **_: object) -> None:
    _environments.append(environment)


@events.quitting.add_listener
def _write(**_: object) -> None:
    with open(OUT, "w", encoding="utf-8") as file:
        for request_id, sent_ns, first_ns, last_ns, tokens in _answers:
            line = {"request_id": request_id, "sent_ns": sent_ns, "first_ns": first_ns, "last_ns": last_ns}
            file.write(json.dumps(line | {"tokens": tokens}) + "\n")


class Turns:
    """One user's turns; after its last one the user idles, and after the last of all users the run ends."""

    def __init__(self) -> None:
        self._left = TURNS

    def begin(self) -> dict[str, str]:
        """The headers of the next request."""
        return {"X-Request-Id": uuid4().hex}

    def ended(self, headers: dict[str, str], sent_ns: int, stamps_ns: list[int]) -> None:
        """An answer is complete; one stamp per token."""
        if stamps_ns:
            ends = (stamps_ns[0], stamps_ns[-1], len(stamps_ns))
            _answers.append((headers["X-Request-Id"], sent_ns, *ends))
        self._left -= 1
        if len(_answers) >= USERS * TURNS:
            for environment in _environments:
                gevent.spawn(environment.runner.quit)  # type: ignore[attr-defined]
        gevent.sleep(THINK_S if self._left else 1e6)


def stamped(texts: Iterator[str | None]) -> list[int]:
    """The instant at which each non-empty text came out of the iterator, in ns."""
    stamps: list[int] = []
    for text in texts:
        if text:
            stamps.append(time.perf_counter_ns())  # noqa: PERF401 - one stamp as each text comes
    return stamps


def text_of(data: bytes | str) -> str | None:
    """The text of one event's JSON, decoded with orjson as a careful user would."""
    import orjson

    if data in ("[DONE]", b"[DONE]"):
        return None
    event = orjson.loads(data)
    if WIRE == "openai":
        return event["choices"][0]["delta"].get("content") if event["choices"] else None
    return event["token"]["text"] if WIRE == "tgi" else event["text"][0]
