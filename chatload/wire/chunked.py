"""HTTP/1.1 chunks that a read holds whole: the usual case of a token stream, told without a parser."""

from __future__ import annotations

from collections.abc import Iterable

_SIZES = {b"%x" % size: size for size in range(1, 4096)}


def whole_chunks(data: bytes) -> bytes | None:
    """The body bytes of `data` if it is nothing but whole chunks of less than 4 kB, none of them the last.

    None when a parser has to look: an unfinished chunk, the last one, an extension, a size spelt unusually.
    Valid only where a chunk may begin.
    """
    one = one_chunk_each((data,))
    return one[0] if one is not None else _chunk_by_chunk(data)


def one_chunk_each(reads: Iterable[bytes]) -> list[bytes] | None:
    """The body bytes of each of `reads` if every one is one chunk as `whole_chunks` knows them; else None."""
    bodies = []
    for data in reads:
        end = data.find(b"\r\n")
        if _SIZES.get(data[:end]) != len(data) - end - 4 or not data.endswith(b"\r\n"):
            return None
        bodies.append(data[end + 2 : -2])
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
