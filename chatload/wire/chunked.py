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
    if after > len(data) or data[after - 2 : after] != b"\r\n":
        return None
    rest = whole_chunks(data[after:]) if len(data) < 65536 else None
    return None if rest is None else data[end + 2 : after - 2] + rest
