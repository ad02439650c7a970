"""Images made here: PNG files of a given size, none like another, at the cost of a checksum each.

All images of a size share their pixels but the first row, which is drawn for each: servers that cache images by their
content know none of them. The shared rows are compressed once (deflate), the drawn one is stored before them.
"""

from __future__ import annotations

import random
import zlib
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SQUARE = 8
"""Side of the squares of one colour that images are made of: a file of about a byte for 16 pixels, as a photo has."""
MOST_SIDE = 8192
ADLER = 65_521


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all images of a size have: header, the compressed rows below the first with their checksum, the end."""

    head: bytes
    rows: bytes
    adler: int
    length: int
    width: int


def synthetic_image(width: int, height: int, seed: str) -> bytes:
    """A PNG file of this size; another one for each seed."""
    shared = _shared(width, height)
    first = b"\0" + random.Random(f"image {seed}").randbytes(3 * width)
    length = len(first)
    stored = b"\x78\x01\0" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + first
    adler = _joined(zlib.adler32(first), shared.adler, shared.length)
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
    drawn = random.Random(f"image {width}x{height}")
    rows = bytearray()
    while len(rows) < (height - 1) * (3 * width + 1):
        colours = drawn.randbytes(3 * -(-width // SQUARE))
        row = b"".join(colours[at : at + 3] * SQUARE for at in range(0, len(colours), 3))[: 3 * width]
        rows += (b"\0" + row) * SQUARE
    del rows[(height - 1) * (3 * width + 1) :]
    deflate = zlib.compressobj(6, wbits=-15)
    packed = deflate.compress(bytes(rows)) + deflate.flush()
    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"  # 8 bits of each of three colours
    return _Shared(
        SIGNATURE + _chunk(b"IHDR", header),
        _chunk(b"IDAT", packed),
        zlib.adler32(bytes(rows)),
        len(rows),
        width,
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _joined(first: int, second: int, length: int) -> int:
    """Adler-32 of two texts one after the other, of theirs; `length` is the second's."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % ADLER
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % ADLER
    return high << 16 | low
