"""HTTP/1.1 chunks that a read holds whole: the usual case of a token stream, told without a parser."""

from __future__ import annotations

_SIZES = {b"%x" % size: size for size in range(1, 4096)}


def whole_chunks(data: bytes) -> bytes | None:
    """The body bytes of `data` if it is nothing but whole chunks of less than 4 kB, none of them the last.

    None when a parser has to look: an unfinished chunk, the last one, an extension, a size spelt unusually.
    Valid only where a chunk may begin.
    """
    end = data.find(b"\r\n")
    size = _SIZES.get(data[:end])
    if size is None:
        return None
    after = end + size + 4
    if after == len(data) and data.endswith(b"\r\n"):
        return data[end + 2 : -2]
    return _chunk_by_chunk(data)


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
    return b"".join(bodies)
