"""The short cut for reads that are whole HTTP chunks, held to geventhttpclient's parser."""

from __future__ import annotations

import pytest
from geventhttpclient.response import HTTPParseError, HTTPResponse
from hypothesis import given
from hypothesis import strategies as st

from chatload.protocols.http_chunks import whole_chunks, whole_chunks_each


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Parsed(HTTPResponse):
    def __init__(self) -> None:
        super().__init__("POST")
        self.body = b""

    def _on_body(self, buf: bytearray) -> None:
        self.body += bytes(buf)


def by_the_parser(data: bytes) -> bytes | None:
    """The body of `data` where a chunk may begin; None when it is broken, unfinished or the end."""
    message = Parsed()
    message.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    try:
        message.feed(data)
        body = message.body
        message.feed(b"0\r\n\r\n")  # only where a chunk may begin does this end the message
    except HTTPParseError:
        return None
    return body if message.message_complete and message.body == body else None


PIECES = st.sampled_from(
    [b"\r\n", b"1", b"a", b"0", b"0\r\n\r\n", b"5;x=1", b"0x1", b"+1", b" 1", b"1_1", b"\n", b"\r"]
)


@given(st.lists(st.one_of(PIECES, st.binary(min_size=1, max_size=40).map(chunk)), max_size=5).map(b"".join))
def test_what_it_tells_the_parser_tells_too(data: bytes) -> None:
    """Invariant: it may decline, but never says anything else than the parser."""
    found = whole_chunks(data)
    assert found is None or found == by_the_parser(data)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6))
def test_whole_chunks_are_told(pieces: list[bytes]) -> None:
    assert whole_chunks(b"".join(map(chunk, pieces))) == b"".join(pieces)


@given(st.lists(st.one_of(PIECES, st.binary(min_size=1, max_size=40).map(chunk)), max_size=5))
def test_many_reads_are_told_up_to_the_first_that_is_left_to_the_parser(reads: list[bytes]) -> None:
    each = [whole_chunks(data) for data in reads]
    told = each.index(None) if None in each else len(each)
    assert whole_chunks_each(reads) == each[:told]


LEFT = (
    b"",
    b"0\r\n\r\n",
    b"5\r\nhello",
    b"5\r\nhello\r",
    b"5\r\nhello!\r\n",
    b"5\r\nhelloXX",
    b"02\r\nhi\r\n",
    b"2;a=b\r\nhi\r\n",
    b"X\r\n",
    chunk(b"hi") + b"0\r\n\r\n",
)


@pytest.mark.parametrize("data", LEFT)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    assert whole_chunks(data) is None


def test_a_read_of_thousands_of_chunks_is_told_without_depth() -> None:
    assert whole_chunks(chunk(b"a") * 10_000) == b"a" * 10_000
