"""Connecting, sending and liveness, over the loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest

from chatload.engine import connection
from chatload.engine.address import Address
from chatload.engine.clock import now_ns
from chatload.engine.connection import Connection, connect
from chatload.model.errors import TurnError


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = connect(Address(f"http://127.0.0.1:{listener.getsockname()[1]}"), 5, kernel_stamps=False)
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs
        ours.close()


def test_an_idle_connection_lives_and_a_closed_one_does_not(pair: tuple[Connection, socket.socket]) -> None:
    ours, theirs = pair
    assert ours.alive()
    theirs.close()
    gevent.sleep(0.01)
    assert not ours.alive()
    ours.close()
    ours.close()
    assert not ours.alive()


def test_bytes_nobody_asked_for_end_a_connection(pair: tuple[Connection, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    gevent.sleep(0.01)
    assert not ours.alive()


def test_sent_is_stamped_before_the_last_bytes_leave(pair: tuple[Connection, socket.socket]) -> None:
    """Invariant: whatever the server read, it read after the last stamp. Also when the buffer is full meanwhile."""
    ours, theirs = pair
    theirs.setblocking(False)
    message = b"x" * 6_000_000
    stamps: list[int] = []
    sending = gevent.spawn(ours.send, message, lambda: stamps.append(now_ns()))
    got, ended_ns = 0, 0
    while got < len(message):
        gevent.sleep(0)
        try:
            got += len(theirs.recv(1 << 20))
        except BlockingIOError:
            gevent.sleep(0.001)
            continue
        ended_ns = now_ns()
    sending.get(timeout=5)
    assert len(stamps) > 1
    assert stamps == sorted(stamps)
    assert stamps[-1] < ended_ns


def test_the_name_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def lookup(name: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(name)
        return [
            (socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(connection.gevent.socket, "getaddrinfo", lookup)
    address = Address("http://gpu:8000")
    assert [family for family, _ in address.resolve()] == [socket.AF_INET, socket.AF_INET6]
    address.resolve()
    assert asked == ["gpu"]


def test_one_tls_context_serves_all_users() -> None:
    address = Address("https://gpu")
    assert address.context is not None
    assert (address.port, Address("http://gpu").context) == (443, None)
    assert address.context.verify_mode.name == "CERT_REQUIRED"
    assert Address("https://gpu", insecure=True).context.verify_mode.name == "CERT_NONE"


def test_nobody_there_is_a_turn_s_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TurnError, match="refused") as caught:
        connect(Address(f"http://127.0.0.1:{port}"), 2, kernel_stamps=True)
    assert caught.value.code == "connect"
    with pytest.raises(TurnError) as caught:
        connect(Address("http://[::1]:1", lookup=lambda *_, **__: []), 2, kernel_stamps=True)
    assert caught.value.detail == "[::1]:1: no address", (
        "a detail that begins with :: would be a command of CI"
    )
