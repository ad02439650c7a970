"""Asks a server a few GET requests that cost it nothing, and keeps what it answered, or why nothing came."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.socket
import gevent.ssl

from chatload.engine.address import Address
from chatload.engine.api_key import NO_KEY, ApiKey
from chatload.model.sanitize import printable
from chatload.options.server_address import shown_url, whole_path
from chatload.protocols.registry import PROBE_PATHS

ANSWER_BYTES = 4 << 20
"""Most of an answer that is read: OpenRouter's list of models has over 400 kB."""
LOOK_S = 2.0
MOST_WORDS = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one GET of `url`: `status` 0 where none came, and `problem` says why.

    `location` is where a redirect leads, without its query; `software` is the header Server. Both are untrusted, and
    printable. `error` is what the socket raised.
    """

    url: str
    status: int = 0
    body: bytes = b""
    location: str = ""
    software: str = ""
    problem: str = ""
    error: BaseException | None = None

    @property
    def words(self) -> str:
        """The answer in words: a status, or no answer."""
        return str(self.status) if self.status else "no answer"

    @property
    def text(self) -> str:
        """The beginning of its body on one line; a web page is told as such."""
        start = self.body[:2000].lstrip()
        if start[:1] == b"<":
            return "a web page"
        return printable(self.body[:2000].decode("utf-8", "replace"), MOST_WORDS)


def probe(
    address: Address, limit_s: float, key: ApiKey, api: str, query: str, paths: tuple[str, ...] = PROBE_PATHS
) -> dict[str, Answer]:
    """The answers to GET of each path, at the same time, by path. `api` is the API path (protocols/routes.py)."""
    asked = {path: _path(address, path, api, query) for path in paths}
    greenlets = {
        path: gevent.spawn(ask, address, whole, limit_s, key, ANSWER_BYTES) for path, whole in asked.items()
    }
    try:
        gevent.joinall(list(greenlets.values()), timeout=limit_s)
    finally:  # also where the run is stopped meanwhile
        open_ones = [one for one in greenlets.values() if not one.ready()]
        gevent.killall(open_ones, block=False)
    answers = {}
    for path, greenlet in greenlets.items():
        if greenlet not in open_ones and greenlet.value is not None:
            answers[path] = greenlet.value
        else:
            url = shown_url(address.origin + asked[path])
            answers[path] = Answer(url, problem=f"no answer within {limit_s:g} s")
    return answers


def _path(address: Address, path: str, api: str, query: str) -> str:
    """The whole path of a probe; the query belongs to the API's routes only."""
    return whole_path(address.host, path, api, query if path.startswith("/v1/") else "")


def pairs(answers: Mapping[str, Answer]) -> dict[str, tuple[int, bytes]]:
    """(status, body) by path, without the paths that did not answer."""
    return {path: (one.status, one.body) for path, one in answers.items() if one.status}


def ask(
    address: Address,
    path: str,
    limit_s: float,
    key: ApiKey = NO_KEY,
    at_most: int = ANSWER_BYTES,
    ip: str = "",
    body: bytes | None = None,
) -> Answer:
    """The answer to one GET of a whole path with `key`, of at most `at_most` bytes; `ip`: one address of several.
    With a JSON `body`, to a POST.

    A redirect is an answer like any other: nobody follows it, so it takes no key to another host.
    """
    headers = {"Connection": "close", "Accept": "application/json", "Host": address.header, **key.headers}
    connection = http.client.HTTPConnection(ip or address.name, address.port, timeout=limit_s)
    url = shown_url(address.origin + path)
    if body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    try:
        connection.sock = gevent.socket.create_connection((ip or address.name, address.port), timeout=limit_s)
        if address.context is not None:
            # The handshake apart: whoever ends this greenlet meanwhile leaves a socket that can be closed.
            connection.sock = address.context.wrap_socket(
                connection.sock, server_hostname=address.name, do_handshake_on_connect=False
            )
            connection.sock.do_handshake()
        verb = "GET" if body is None else "POST"
        connection.putrequest(verb, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        location = printable(shown_url(response.getheader("location", "")), 300)
        return Answer(
            url,
            response.status,
            key.hidden_in(response.read(at_most)),
            key.hidden(location),
            key.hidden(printable(response.getheader("server", ""), 40)),
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(url, problem=key.hidden(printable(_problem(error), 200)), error=error)
    finally:
        connection.close()


def _problem(error: Exception) -> str:
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
        return "it closes the connection"
    if isinstance(error, http.client.BadStatusLine):
        return f"it answers {str(error)[:60]!r}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    named = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(named or error) or type(error).__name__


def speaks_plain_http(address: Address) -> bool:
    """Whether the port answers a plain HTTP request, which holds no key."""
    try:
        with _plain_socket(address) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % address.header.encode())
            return bytes(sock.recv(5)) == b"HTTP/"
    except OSError:
        return False


def speaks_tls(address: Address) -> bool:
    """Whether the port answers a TLS handshake; no certificate is looked at, nothing is sent over it."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with _plain_socket(address) as sock, context.wrap_socket(sock, server_hostname=address.name):
            return True
    except ssl.SSLError as error:  # it wants a client certificate, for one
        return "ALERT" in str(error)
    except OSError:
        return False


def _plain_socket(address: Address) -> Any:
    """A socket of gevent's, which has no types."""
    return gevent.socket.create_connection((address.name, address.port), timeout=LOOK_S)


def live_addresses(address: Address, limit_s: float) -> tuple[list[str], list[str]]:
    """(addresses of the name that accept a connection, those that do not), all tried at the same time."""
    ips = [str(target[0]) for _, target in address.resolve()]

    def accepts(ip: str) -> bool:
        try:
            gevent.socket.create_connection((ip, address.port), timeout=limit_s).close()
        except OSError:
            return False
        return True

    greenlets = [gevent.spawn(accepts, ip) for ip in ips]
    gevent.joinall(greenlets, timeout=limit_s + 1)
    live = [ip for ip, one in zip(ips, greenlets, strict=True) if one.value]
    return live, [ip for ip in ips if ip not in live]
