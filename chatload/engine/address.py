"""The server's address: its name, the IP addresses of the name, and the TLS context of connections."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gevent.socket
import gevent.ssl

from chatload.model.errors import TurnError
from chatload.options.access_options import NO_ACCESS, Access
from chatload.options.tls_context import tls_context

Resolved = tuple[Any, tuple[Any, ...]]
"""(family, sockaddr) of one IP address. Any: as in the socket module."""
Lookup = Callable[..., list[Any]]


@dataclass(slots=True)
class Address:
    """The server's address. The name is resolved once per process; all users share one TLS context.

    `skipped` are IP addresses that did not answer when the run began. `lookup` replaces getaddrinfo.
    Raises UsageError if a file of `access` cannot be used.
    """

    host: str
    insecure: bool = False
    access: Access = NO_ACCESS
    skipped: Collection[str] = ()
    lookup: Lookup | None = None
    name: str = field(init=False)
    port: int = field(init=False)
    path: str = field(init=False)
    context: Any = field(init=False, default=None)
    _resolved: list[Resolved] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.host)
        self.name = (parts.hostname or "").replace("%25", "%")
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.path = parts.path.rstrip("/")
        if parts.scheme == "https":
            given = self.access
            files = given.ca_file, given.client_cert, given.client_key
            self.context = tls_context(gevent.ssl.SSLContext, *files, insecure=self.insecure)

    @property
    def header(self) -> str:
        """The Host header, without the zone of an IPv6 address and without the default port of the scheme."""
        name = _bracketed(self.name.partition("%")[0])
        return name if self.port == (80 if self.context is None else 443) else f"{name}:{self.port}"

    @property
    def place(self) -> str:
        """Name and port, for messages."""
        return f"{_bracketed(self.name)}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, name and port."""
        parts = urlsplit(self.host)
        return f"{parts.scheme}://{parts.netloc}"

    def resolve(self) -> list[Resolved]:
        """The distinct IP addresses, IPv4 first, looked up once. Raises TurnError "connect" if there are none."""
        if not self._resolved:
            lookup = self.lookup or gevent.socket.getaddrinfo
            try:
                found = lookup(self.name, self.port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise TurnError(
                    "connect", f"cannot resolve {self.name!r}: {error.strerror or error}"
                ) from error
            each = dict.fromkeys((family, address) for family, _, _, _, address in found)
            there = [one for one in each if one[1][0] not in self.skipped] or list(each)
            self._resolved = sorted(there, key=lambda one: one[0] != socket.AF_INET)
        return self._resolved

    def skip(self, ips: Collection[str]) -> None:
        """Leave these IP addresses out from now on, unless none would be left."""
        self.skipped = (*self.skipped, *ips)
        self._resolved = [one for one in self._resolved if one[1][0] not in self.skipped] or self._resolved

    def for_user(self, user: int) -> list[Resolved]:
        """The addresses in the order in which this user tries them; the first differs, so users spread over all."""
        found = self.resolve()
        first = user % len(found) if found else 0
        return found[first:] + found[:first]

    def group_of(self, user: int) -> int:
        """The index of this user's first address; 0 if none is known yet."""
        return user % len(self._resolved) if self._resolved else 0

    @property
    def several(self) -> bool:
        """Whether the name is known to have more than one address."""
        return len(self._resolved) > 1


def _bracketed(name: str) -> str:
    """The name in the form that may precede a port: an IPv6 address in brackets."""
    return f"[{name}]" if ":" in name else name
