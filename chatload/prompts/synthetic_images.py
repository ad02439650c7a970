"""Generates PNG images of a given size, each different, at the cost of a checksum each.

Images of a size differ in their first row of pixels, which is random, so that no server finds one in a cache by
content. The other rows are compressed once (deflate) for all; the first row is stored uncompressed before them.
"""

from __future__ import annotations

import random
import zlib
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SQUARE = 8
"""Side, in pixels, of the squares of one colour in images: files have about a byte for 16 pixels, as photos have."""
MOST_SIDE = 8192
ADLER = 65_521
"""The modulus of Adler-32 (RFC 1950)."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """Parts of all images of a size: PNG header, compressed rows after the first, their Adler-32 and bytes."""

    head: bytes
    rows: bytes
    adler: int
    length: int


def synthetic_image(width: int, height: int, seed: str) -> bytes:
    """A PNG file of this size in pixels; each seed gives another."""
    shared = _shared(width, height)
    first = b"\0" + random.Random(f"image {seed}").randbytes(3 * width)
    length = len(first)
    stored = b"\x78\x01\0" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + first
    adler = _adler_of_both(zlib.adler32(first), shared.adler, shared.length)
    return b"".join(
        (
            shared.head,
            _chunk(b"IDAT", stored),
            shared.rows,
            _chunk(b"IDAT", adler.to_bytes(4)),
            _chunk(b"IEND", b""),
        )
    )


def image_url(width: int, height: int, seed: str) -> str:
    """The image as a data URL."""
    return "data:image/png;base64," + b64encode(synthetic_image(width, height, seed)).decode()


@lru_cache(maxsize=4)
def _shared(width: int, height: int) -> _Shared:
    rng = random.Random(f"image {width}x{height}")
    rows = bytearray()
    while len(rows) < (height - 1) * (3 * width + 1):
        colours = rng.randbytes(3 * -(-width // SQUARE))
        row = b"".join(colours[at : at + 3] * SQUARE for at in range(0, len(colours), 3))[: 3 * width]
        rows += (b"\0" + row) * SQUARE
    del rows[(height - 1) * (3 * width + 1) :]
    deflate = zlib.compressobj(6, wbits=-15)
    packed = deflate.compress(bytes(rows)) + deflate.flush()
    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"  # 8 bits for each of three colours
    return _Shared(
        SIGNATURE + _chunk(b"IHDR", header),
        _chunk(b"IDAT", packed),
        zlib.adler32(bytes(rows)),
        len(rows),
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _adler_of_both(first: int, second: int, length: int) -> int:
    """Adler-32 of two byte strings in a row, from theirs; `length`: bytes of the second. As zlib's adler32_combine."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % ADLER
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % ADLER
    return high << 16 | low
