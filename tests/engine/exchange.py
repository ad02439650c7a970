"""A user's client at a scripted server."""

from __future__ import annotations

from typing import Any

from chatload.engine.address import Address
from chatload.engine.api_key import ApiKey
from chatload.engine.client import ChatClient, TurnSpec
from chatload.engine.target import Target, request_head
from chatload.model.turn import Message, Turn, TurnRequest
from chatload.options.run_options import Timeouts
from chatload.protocols.registry import DIALECTS
from tests.engine.scripted import (
    MS,
    Script,
    Wire,
    reply,
)
from tests.manual_clock import ManualClock

LIMITS = Timeouts(connect_s=5, first_token_s=2, gap_s=1, turn_s=10)
ROLE = b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def token(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text.encode()


GOOD = reply(ROLE, token("a"), token("b"), STOP, DONE)


class Exchange:
    """A user's client at a scripted server."""

    def __init__(self, *wires: Wire, dialect: str = "openai", waits: bool = False, key: str = "") -> None:
        self.clock = ManualClock()
        self.script = Script(self.clock, wires)
        address, spoken, secret = Address("http://gpu:8000"), DIALECTS[dialect], ApiKey(key)
        head = request_head(address, spoken.path, secret.headers)
        self.target = Target(
            address, spoken, self.script, LIMITS, head, key=secret, waits_on_429=waits, clock=self.clock
        )
        self.client = ChatClient(self.target)
        self._turns = 0

    def spec(self, **more: Any) -> TurnSpec:
        self._turns += 1
        request = TurnRequest((Message("user", "hello"),))
        return TurnSpec(0, self._turns, self.clock.now_ns(), request, **more)

    def turn(self, hang_up_after: int = 0, max_tokens: int | None = None) -> Turn:
        return self.turn_and_text(hang_up_after, max_tokens)[0]

    def turn_and_text(self, hang_up_after: int = 0, max_tokens: int | None = None) -> tuple[Turn, str]:
        self._turns += 1
        request = TurnRequest((Message("user", "hello"),), max_tokens=max_tokens)
        return self.client.run_turn(
            TurnSpec(0, self._turns, self.clock.now_ns(), request, hang_up_after=hang_up_after)
        )


def after(exchange: Exchange, at_ns: int | None, sent_ns: int | None = None) -> float:
    """ms between the sending of the (first) request and an instant."""
    assert at_ns is not None
    return (at_ns - (sent_ns or exchange.script.came_ns[0])) / MS
