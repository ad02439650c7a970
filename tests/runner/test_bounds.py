"""No server fills our memory or keeps a user for ever: every hostile reply ends as a failed turn, soon and small."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chatload.engine.address import Address
from chatload.engine.connection import Connection, connect
from chatload.engine.stream import LARGEST_HEAD_BYTES, MORE_AFTER_THE_END, TOO_LONG_A_HEAD, ReplyStream
from chatload.engine.wall_offset import WallOffset
from chatload.model.errors import TurnError
from tests.runner.hostile import ALL, BODIES, CHUNKED, HEADS, OK, SECONDS, TOKEN, chunk, hostile_server

ROOT = Path(__file__).parents[2]
MOST_MB = 200
READ_BYTES = 8192


@pytest.fixture
def stream() -> Iterator[ReplyStream]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(f"http://127.0.0.1:{listener.getsockname()[1]}")
        connection: Connection = connect(address, 5, kernel_stamps=False)
        yield ReplyStream(connection, WallOffset())
        connection.close()


def read_until_refused(stream: ReplyStream, reply: tuple[bytes, bytes]) -> int:
    """Feed a hostile reply as the reader would; how many bytes that took."""
    first, again = reply
    wire = first + again * (400_000 // len(again))
    for begin in range(0, len(wire), READ_BYTES):
        if not stream.feed(wire[begin : begin + READ_BYTES], 1):
            return begin + READ_BYTES
    raise AssertionError("read on")


@pytest.mark.parametrize("name", HEADS)
def test_64_kb_of_headers_framing_and_trailers_are_enough(stream: ReplyStream, name: str) -> None:
    first, _ = HEADS[name]
    taken = read_until_refused(stream, HEADS[name])
    assert stream.problem is not None
    assert (stream.problem.code, stream.problem.detail) == ("bad_wire", TOO_LONG_A_HEAD)
    assert taken <= len(first) + LARGEST_HEAD_BYTES + 2 * READ_BYTES
    assert not stream.reusable


def test_headers_and_trailers_count_together(stream: ReplyStream) -> None:
    half = b"x-more: yes\r\n" * (LARGEST_HEAD_BYTES // 2 // 13)
    wire = (
        OK
        + half
        + b"transfer-encoding: chunked\r\n\r\n"
        + TOKEN * 1000
        + b"0\r\n"
        + half
        + b"a: b\r\n" * 2000
    )
    for begin in range(0, len(wire), READ_BYTES):
        stream.feed(wire[begin : begin + READ_BYTES], 1)
    assert stream.problem is not None
    assert stream.problem.detail == TOO_LONG_A_HEAD


@pytest.mark.parametrize("size", [1, 100, READ_BYTES])
def test_what_is_within_bounds_is_read(stream: ReplyStream, size: int) -> None:
    """60 kB of headers, an interim reply, 50,000 one-byte chunks with padded sizes, trailers: legal, if unusual."""
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"x-more: yes\r\n" * 4500
    wire += b"transfer-encoding: chunked\r\n\r\n" + b"00000001\r\nx\r\n" * (5_000 if size == 1 else 50_000)
    wire += b"0\r\nx-checksum: 1\r\n\r\n"
    for begin in range(0, len(wire), size):
        stream.feed(wire[begin : begin + size], 1)
    assert stream.problem is None
    assert stream.complete
    assert stream.bytes == (5_000 if size == 1 else 50_000)


@pytest.mark.parametrize("name", SECONDS)
def test_nothing_may_follow_the_end_of_a_reply(stream: ReplyStream, name: str) -> None:
    read_until_refused(stream, SECONDS[name])
    assert stream.problem is not None
    assert (stream.problem.code, stream.problem.detail) == ("bad_wire", MORE_AFTER_THE_END)
    assert not stream.reusable
    with pytest.raises(TurnError, match="more after the end"):
        list(stream.reads)


def test_unframed_reads_after_the_end_are_seen_too(stream: ReplyStream) -> None:
    """The end of a reply may stand in one read of many that are framed at once."""
    stream.feed(CHUNKED + TOKEN, 1)
    stream.unframed += [chunk(b"data: 1\n\n") + b"0\r\n\r\n", chunk(b"data: 2\n\n")]
    stream.unframed_ns.extend((2, 3))
    stream.frame()
    assert stream.problem is not None
    assert stream.problem.detail == MORE_AFTER_THE_END
    assert not stream.complete


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """What became of two users at each hostile server, one server after another, all in one process."""
    with ExitStack() as servers:
        hosts = [servers.enter_context(hostile_server(ALL[name])) for name in ALL]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("two_turns.py")), *hosts],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
    return dict(zip(ALL, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.e2e
@pytest.mark.parametrize("name", ALL)
def test_two_users_of_a_hostile_server_take_little_memory(name: str, told: dict[str, dict[str, Any]]) -> None:
    found = told[name]
    if name in BODIES and found["codes"][0] != "bad_wire":
        assert set(found["codes"]) <= {"timeout_first", "timeout_gap", "deadline"}
    else:
        assert found["codes"] == ["bad_wire"] * 2, found
        assert found["details"][0] == found["details"][1]
    assert found["seconds"] < 25
    assert found["most_mb"] < MOST_MB
