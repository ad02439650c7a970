"""What all users of a process share: the server's address, the head of each request, and the transport."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chatload.engine.address import Address
from chatload.engine.api_key import NO_KEY, ApiKey
from chatload.engine.clock import CLOCK, Clock
from chatload.engine.connection import Connection
from chatload.engine.cookies import Cookies
from chatload.engine.stream import ReplyStream
from chatload.engine.tracing import Tracing
from chatload.loads.plan import Plan
from chatload.model.turn import Turn
from chatload.options.run_options import Timeouts
from chatload.options.server_address import shown_url, whole_path
from chatload.protocols.dialect import Dialect


class Transport(Protocol):
    """Opens connections and reads replies: a `Reader` in a run, a script in tests."""

    def connect(self, address: Address, timeout_s: float, user: int = 0) -> Connection:
        """A new connection to the IP address of `user`. Raises TurnError "connect" if there is none in `timeout_s`."""

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`. Called before the request is sent."""

    def release(self, stream: ReplyStream) -> None:
        """Stop reading `stream`. Safe to call twice."""

    def marked(self, turn: Turn, events_in_first_read: int) -> Turn:
        """The turn with marks for what this process may have distorted in it."""


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """What was found before the run: the whole path of the chat route, and IP addresses that did not answer.

    If `path` is empty, the dialect's is used. Values of --session-header contain the run's id.
    """

    path: str = ""
    skipped: Collection[str] = ()
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The server, for the users of one process. `head` is the request line and the headers that all requests share."""

    address: Address
    dialect: Dialect
    transport: Transport
    timeouts: Timeouts
    head: bytes = field(repr=False)  # holds the key
    key: ApiKey = NO_KEY
    worker: str = "local"
    waits_on_429: bool = False
    clock: Clock = CLOCK
    url: str = ""
    session: bytes = b""
    cookies: Cookies | None = None
    tracing: Tracing | None = None

    def head_for(self, user: int) -> bytes:
        """The head of this user's requests, without the headers that change with each turn."""
        head = self.head + self.session % user if self.session else self.head
        return head if self.cookies is None else head + self.cookies.header(user)


def target_for(
    plan: Plan, dialect: Dialect, transport: Transport, worker: str, key: ApiKey, route: FoundRoute
) -> Target:
    """The target of a plan. `key` is only used in the request.

    Raises UsageError if a certificate that the plan names cannot be used.
    """
    address = Address(plan.host, plan.insecure, plan.access, route.skipped)
    path = route.path or whole_path(plan.host, dialect.path, plan.route.apis[0], plan.route.query)
    name = plan.access.session_header.replace("%", "%%")
    given = {header.lower() for header in plan.headers}
    own = {header: value for header, value in dialect.headers.items() if header.lower() not in given}
    return Target(
        address,
        dialect,
        transport,
        plan.timeouts,
        request_head(address, path, {**own, **plan.headers, **key.headers}),
        key,
        worker,
        plan.waits_on_429,
        url=shown_url(address.origin + path),
        session=f"{name}: chatload-{route.run_id[:12]}-%d\r\n".encode() if name else b"",
        cookies=Cookies(path, tls=address.context is not None) if plan.access.cookies else None,
    )


def request_head(address: Address, path: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers, without those that change with each turn. `path` is the whole path, with its query.

    There is no Accept-Encoding, so that replies are not compressed.
    """
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {address.header}",
        "content-type: application/json",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("ascii") + b"\r\n"
