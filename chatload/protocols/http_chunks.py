"""Fast path for HTTP/1.1 chunks that are whole within a read, the usual case in a token stream."""

from __future__ import annotations

from collections.abc import Iterable

_SIZES = {b"%x" % size: size for size in range(1, 4096)}


def whole_chunks(data: bytes) -> bytes | None:
    """The body bytes of `data` if it is nothing but whole chunks of less than 4 kB, none of them the last.

    None where a parser is needed: an unfinished chunk, the last one, an extension, an unusual form of a size.
    Valid only where a chunk may begin.
    """
    bodies = whole_chunks_each((data,))
    return bodies[0] if bodies else None


def whole_chunks_each(reads: Iterable[bytes]) -> list[bytes]:
    """`whole_chunks` of each of `reads`, up to the first that needs a parser."""
    bodies = []
    for data in reads:
        end = data.find(b"\r\n")
        if _SIZES.get(data[:end]) == len(data) - end - 4 and data.endswith(b"\r\n"):
            bodies.append(data[end + 2 : -2])
            continue
        body = _chunk_by_chunk(data)
        if body is None:
            break
        bodies.append(body)
    return bodies


def _chunk_by_chunk(data: bytes) -> bytes | None:
    bodies: list[bytes] = []
    begin = 0
    while begin < len(data):
        end = data.find(b"\r\n", begin, begin + 5)
        size = _SIZES.get(data[begin:end]) if end > 0 else None
        if size is None:
            return None
        after = end + size + 4
        if data[after - 2 : after] != b"\r\n":
            return None
        bodies.append(data[end + 2 : after - 2])
        begin = after
    return b"".join(bodies) if bodies else None
