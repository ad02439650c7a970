"""Reads a JSON list item by item, a piece of the file at a time. A truncated file is read up to its end."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from chatload.files.reading import MB

PIECE_BYTES = 2 * MB
ITEM_CHARACTERS = 8 * MB
"""Longest item; a longer one is taken for damage, and ends the reading."""
BETWEEN_ITEMS = " \t\r\n,"
_DECODER = json.JSONDecoder(strict=False)


class JsonList:
    """The items of a JSON list. Afterwards `closed` is True if the list ended with "]"."""

    def __init__(self, most_bytes: int) -> None:
        self.closed = False
        self._left = most_bytes

    def items(self, file: BinaryIO) -> Iterator[object]:
        """The items, up to the first that is not JSON; none if the file is not a JSON list."""
        text, place = "", 0
        for piece in self._pieces(file):
            text, place = text[place:] + piece, 0
            while True:
                while place < len(text) and text[place] in BETWEEN_ITEMS:
                    place += 1
                if text.startswith("]", place):
                    self.closed = True
                    return
                try:
                    item, place = _DECODER.raw_decode(text, place)
                except json.JSONDecodeError as error:
                    if _is_broken(error, len(text)) or len(text) - place > ITEM_CHARACTERS:
                        return
                    break
                except (
                    ValueError,
                    RecursionError,
                ):  # a number with too many digits, brackets nested too deeply
                    return
                yield item

    def _pieces(self, file: BinaryIO) -> Iterator[str]:
        """The text after the opening bracket of the list; nothing if the file is not a JSON list."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        inside = False
        while self._left > 0 and (raw := file.read(PIECE_BYTES)):
            self._left -= len(raw)
            piece = decoder.decode(raw)
            if not inside:
                piece = piece.lstrip()
                if piece and not piece.startswith("["):
                    return
                inside, piece = bool(piece), piece[1:]
            yield piece


def _is_broken(error: json.JSONDecodeError, length: int) -> bool:
    """Whether more text cannot mend the error: it is neither in an open string nor at the end."""
    return not error.msg.startswith("Unterminated string") and error.pos < length - len("\\ud83d\\ude00")
