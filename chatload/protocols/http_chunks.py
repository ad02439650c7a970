"""Fast path for reads of whole HTTP/1.1 chunks, the usual case in a token stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import getitem
from typing import Any

_SIZES = {b"%x" % size: size for size in range(1, 4096)}
_DIGITS = {len(digits) + size + 4: digits for digits, size in _SIZES.items()}
_BODIES = {length: slice(len(digits) + 2, -2) for length, digits in _DIGITS.items()}
"""The size line of a chunk, and the slice of its body, by the length of the whole chunk."""
_getitem: Any = getitem  # typeshed declares another return type
_cut: Callable[[bytes, slice], bytes] = _getitem
"""Faster than bytes.__getitem__: called without a tuple of its arguments."""


def whole_chunks(data: bytes) -> bytes | None:
    """The body bytes of `data` if it consists of whole chunks of less than 4 kB, without the last chunk of the message.

    None where a parser is needed: an unfinished chunk, the last one, an extension, an unusual form of a size.
    `data` must begin where a chunk begins.
    """
    return _chunk_by_chunk(data)


def whole_chunks_each(reads: Sequence[bytes]) -> list[bytes]:
    """`whole_chunks` of each of `reads`, up to the first that needs a parser."""
    bodies = one_chunk_a_read(reads) if len(reads) > 1 else []
    return bodies or _one_by_one(reads)


def one_chunk_a_read(reads: Sequence[bytes]) -> list[bytes]:
    """The bodies of reads of exactly one chunk each; empty if any read is not, even if it is several chunks.

    All reads are checked at once, without interpreted code for each.
    """
    lengths = [*map(len, reads)]
    try:
        bodies = [*map(_cut, reads, map(_BODIES.__getitem__, lengths))]
    except KeyError:
        return []
    # Each chunk made of its body is as long as its read, so if the joined bytes are equal, each chunk is.
    parts = chain.from_iterable(zip(map(_DIGITS.__getitem__, lengths), bodies, strict=True))
    return bodies if b"\r\n".join([*parts, b""]) == b"".join(reads) else []


def _one_by_one(reads: Sequence[bytes]) -> list[bytes]:
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
