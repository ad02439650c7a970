"""What all users of a process share: where the server is, what each request begins with, and how bytes get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chatload.engine.api_key import NO_KEY, ApiKey
from chatload.engine.clock import CLOCK, Clock
from chatload.engine.connection import Address, Connection
from chatload.engine.stream import ReplyStream
from chatload.loads.plan import Plan
from chatload.model.turn import Turn
from chatload.options.run_options import Timeouts
from chatload.protocols.dialect import Dialect


class Transport(Protocol):
    """Opens connections and reads replies: a `Reader` in a run, a script in tests."""

    def connect(self, address: Address, timeout_s: float) -> Connection:
        """A new connection. TurnError "connect" if there is none within `timeout_s`."""

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`; called before the request is sent."""

    def release(self, stream: ReplyStream) -> None:
        """Stop reading `stream`. Safe to call twice."""

    def marked(self, turn: Turn, events_in_first_read: int) -> Turn:
        """The turn with marks for what this process may have spoiled in it."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server as the users of one process see it."""

    address: Address
    dialect: Dialect
    transport: Transport
    timeouts: Timeouts
    head: bytes = field(repr=False)  # holds the key
    key: ApiKey = NO_KEY
    worker: str = "local"
    waits_on_429: bool = False
    clock: Clock = CLOCK


def target_for(plan: Plan, dialect: Dialect, transport: Transport, worker: str, key: ApiKey) -> Target:
    """The target of a plan. `key` goes nowhere but into the request."""
    address = Address(plan.host, plan.insecure)
    head = request_head(address, dialect.path, {**plan.headers, **key.headers})
    return Target(address, dialect, transport, plan.timeouts, head, key, worker, plan.waits_on_429)


def request_head(address: Address, path: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers up to those that change each turn. No Accept-Encoding: replies stay plain."""
    lines = [
        f"POST {address.path}{path} HTTP/1.1",
        f"Host: {address.header}",
        "content-type: application/json",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("ascii") + b"\r\n"
