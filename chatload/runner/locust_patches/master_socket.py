"""The master's socket: a busy port is told in a line, and no message of a stranger ends the listening to workers."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from locust.exception import RPCError, RPCReceiveError
from locust.rpc import zmqrpc
from locust.runners import MasterRunner

from chatload.model import output
from chatload.runner.messages import STRANGE

COUNTED = ("stats", "logs", "exception")
"""Kinds of message that Locust adds to its statistics, whoever sent them."""

_log = logging.getLogger("locust.chatload")


def install() -> None:
    """Patch Locust's classes, once."""
    if not isinstance(zmqrpc.Server, functools.partial):
        zmqrpc.Server = functools.partial(bind_or_exit, zmqrpc.Server)
        zmqrpc.BaseSocket.recv_from_client = receive(zmqrpc.BaseSocket.recv_from_client)
        MasterRunner.handle_message = handle(MasterRunner.handle_message)


def bind_or_exit(server: Callable[[str, int], Any], host: str, port: int) -> Any:
    """The master's socket. Locust knows a busy port by words that pyzmq no longer uses, and ends in a traceback."""
    zmqrpc.Server = server  # a later one is Locust's own recovery, which must not end the process
    try:
        return server(host, port)
    except RPCError as error:
        output.write(sys.stderr, f"chatload: --master-bind-port {port}: {error}: name a free port\n")
        raise SystemExit(2) from None


def receive(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`recv_from_client`. Most frames that are no msgpack end the greenlet that listens to the workers."""

    @functools.wraps(original)
    def receive_or_say(socket: Any) -> Any:
        try:
            return original(socket)
        except STRANGE as error:
            raise RPCReceiveError(f"a message that is none of ours ({type(error).__name__})") from error

    return receive_or_say


def handle(original: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    """`handle_message`. One of another form than workers send ends that greenlet, too, or adds to what is counted."""

    @functools.wraps(original)
    def handle_or_say(runner: Any, client_id: str, message: Any) -> None:
        if client_id not in runner.clients and message.type in COUNTED:
            return
        try:
            original(runner, client_id, message)
        except STRANGE as error:
            _log.error("Unrecognized message detected: %s in one of %s", type(error).__name__, client_id[:60])

    return handle_or_say
