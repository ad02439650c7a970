"""Fast path for HTTP/1.1 chunks that are whole within a read, the usual case in a token stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import getitem
from typing import Any

_SIZES = {b"%x" % size: size for size in range(1, 4096)}
_DIGITS = {len(digits) + size + 4: digits for digits, size in _SIZES.items()}
_BODIES = {length: slice(len(digits) + 2, -2) for length, digits in _DIGITS.items()}
"""The size that a chunk begins with, and where its body is, by the length of the whole chunk."""
_getitem: Any = getitem  # typeshed has it return a sequence
_cut: Callable[[bytes, slice], bytes] = _getitem
"""Unlike bytes.__getitem__ it is called without a tuple of its arguments."""


def whole_chunks(data: bytes) -> bytes | None:
    """The body bytes of `data` if it is nothing but whole chunks of less than 4 kB, none of them the last.

    None where a parser is needed: an unfinished chunk, the last one, an extension, an unusual form of a size.
    Valid only where a chunk may begin.
    """
    return _chunk_by_chunk(data)


def whole_chunks_each(reads: Sequence[bytes]) -> list[bytes]:
    """`whole_chunks` of each of `reads`, up to the first that needs a parser."""
    bodies = one_chunk_a_read(reads) if len(reads) > 1 else []
    return bodies or _one_by_one(reads)


def one_chunk_a_read(reads: Sequence[bytes]) -> list[bytes]:
    """The bodies of reads that are one chunk each; none where any is not, though it may be several.

    Told from all of them at once, without a step of the interpreter for each.
    """
    lengths = [*map(len, reads)]
    try:
        bodies = [*map(_cut, reads, map(_BODIES.__getitem__, lengths))]
    except KeyError:
        return []
    # A chunk of such a body is as long as its read: all of them are alike if each of them is.
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
