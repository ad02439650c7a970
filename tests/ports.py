"""Ports for servers that must be told their port. The kernel's own choice may be given away again before they bind it:
it is one of those that outgoing connections get, and every other test makes some."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

FIRST, LAST = 10_000, 32_000
"""Below what Linux, macOS and Windows give to outgoing connections."""


def free_port(count: int = 1) -> int:
    """The first of `count` ports in a row that nobody listens on; not drawn by a seed, so that no two tests agree."""
    draw = random.SystemRandom()
    for _ in range(100):
        port = draw.randrange(FIRST, LAST - count)
        try:
            with ExitStack() as stack:
                for number in range(count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port + number)))
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
