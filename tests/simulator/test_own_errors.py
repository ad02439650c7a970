"""An error of the simulator itself: its client is answered, its output has the traceback, other clients go on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from simulator import server as server_module
from simulator.build import build_server
from simulator.ground_truth.truth_log import TruthLog
from simulator.http.connection import Connection
from simulator.options import parse_options
from simulator.replies.job import Answer
from simulator.server import Server
from tests.simulator.client import chat, request_bytes

PATH = "/v1/chat/completions"


class Clients:
    """Sockets to a server in this process, and the errors that its event loop was told."""

    def __init__(self, truth: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.log = TruthLog(str(truth))
        options = parse_options(["--speak", "vllm", "--profile", "instant", "--answer-tokens", "5"])
        self.server: Server = build_server("vllm", options, self.loop, self.log)
        self.told: list[BaseException] = []
        self.loop.set_exception_handler(lambda _loop, context: self.told.append(context["exception"]))

    async def ask(self, path: str, body: object, method: str = "POST") -> bytes:
        """What comes until the server closes, or the reply is whole."""
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setblocking(False)
        Connection(self.server, self.loop, theirs, 1)
        await self.loop.sock_sendall(ours, request_bytes(path, body, method))
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            more = await asyncio.wait_for(self.loop.sock_recv(ours, 65_536), 5)
            if not more:
                data += b"<closed>"
                break
            data += more
        ours.close()
        return data


def served(truth: Path, what: Callable[[Clients], Awaitable[None]]) -> list[dict[str, object]]:
    """Runs it; the lines of the truth log."""

    async def run() -> None:
        clients = Clients(truth)
        await what(clients)
        clients.server.stop()
        clients.log.close()

    asyncio.run(run())
    return [json.loads(line) for line in truth.read_text().splitlines()]


def test_a_request_that_breaks_its_handler_is_answered_500_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> Answer:
        raise ZeroDivisionError("of the simulator")

    async def what(clients: Clients) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(server_module, "make_answer", broken)
            reply = await clients.ask(PATH, chat(max_tokens=3))
            page = clients.server._get_routes | {"/version": broken}
            patched.setattr(clients.server, "_get_routes", page)
            assert (await clients.ask("/version", None, "GET")).startswith(b"HTTP/1.1 500 ")
        assert reply.startswith(b"HTTP/1.1 500 ")
        assert reply.endswith(b"<closed>")
        assert [str(error) for error in clients.told] == ["of the simulator"] * 2
        assert clients.server.context.open_requests == 0
        assert (await clients.ask(PATH, chat(max_tokens=3))).startswith(b"HTTP/1.1 200 ")

    broke, good = served(tmp_path / "truth.jsonl", what)
    assert (broke["status"], broke["ended"]) == (500, "internal error")
    assert (good["status"], good["ended"]) == (200, "complete")


@pytest.mark.parametrize("stream", [True, False])
def test_a_scheduler_that_breaks_ends_the_replies_and_serves_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    async def what(clients: Clients) -> None:
        engine = clients.server.engine.engine  # type: ignore[union-attr]
        taken = engine.step
        with monkeypatch.context() as patched:
            patched.setattr(engine, "step", lambda: [taken(), 1 // 0])
            reply = await clients.ask(PATH, chat(max_tokens=3, stream=stream))
        assert reply.startswith(b"HTTP/1.1 200 " if stream else b"HTTP/1.1 500 ")
        assert reply.endswith(b"<closed>")
        assert [type(error) for error in clients.told] == [ZeroDivisionError]
        assert (await clients.ask(PATH, chat(max_tokens=3))).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")

    broke, good = served(tmp_path / "truth.jsonl", what)
    assert (broke["status"], broke["ended"]) == (200 if stream else 500, "internal error")
    assert good["ended"] == "complete"
