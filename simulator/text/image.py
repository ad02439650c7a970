"""Images in prompts: how many tokens a model with eyes takes for one, by its size in pixels."""

from __future__ import annotations

import base64
from binascii import Error
from zlib import crc32

PATCH = 28
"""Side of the square that is one token, in pixels: 14 of a patch of the vision encoder, 2 × 2 of which are merged
(Qwen2-VL)."""
MOST_PATCHES = 16_384
UNKNOWN_TOKENS = 256
"""Tokens of an image whose size cannot be read, or that is not in the request."""
PNG = b"\x89PNG\r\n\x1a\n"
SIZES = range(0xC0, 0xD0)
"""Markers of a JPEG file that hold its size, except C4, C8 and CC."""


def image_texts(url: str) -> list[str]:
    """The image as token texts: ceil(width / 28) · ceil(height / 28), the same for the same image."""
    size = _size(url)
    tokens = UNKNOWN_TOKENS
    if size is not None:
        tokens = min(MOST_PATCHES, -(-size[0] // PATCH) * -(-size[1] // PATCH))
    return [f"\x00image {crc32(url.encode())}"] * tokens


def _size(url: str) -> tuple[int, int] | None:
    """(width, height) of an image in a data URL; None where it is none, or no PNG or JPEG."""
    head, _, data = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except Error:
        return None
    if content.startswith(PNG) and len(content) >= 24:
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    at = 2
    while content.startswith(b"\xff\xd8") and at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker in SIZES and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
        at += 2 + max(2, length)
    return None
