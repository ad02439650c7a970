"""Fast path for events that differ only in their text, as most of a chat reply does: their JSON is not parsed again.

Servers repeat id, model and other fields in every event. A read with the same bytes before and after its text as an
event that was decoded in full differs from it in that text only. object other read, and one with an escape or a control
character in its text, is decoded in full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from chatload.model.errors import TurnError
from chatload.model.turn import Delta, TextDeltas
from chatload.protocols.body_reads import BodyReads

VAIN_TRIES = 4
"""After so many templates that matched no event, the events of a reply are decoded in full."""
_PROBE = "probe"
_PLACES = 4


class RepeatedEvents:
    """The template of a reply's events. `decode` reads the data of one event in full and keeps no state."""

    def __init__(self, decode: Callable[[str], Delta]) -> None:
        self._decode = decode
        self._tries = 0
        self._before = self._after = b""
        self._reasoning = False
        self._reply_id: str | None = None

    def take(self, reads: BodyReads) -> TextDeltas | None:
        """Take the reads that match the template, one event each, of those that are here.

        None if the next one has to be decoded in full. Waits for the next read, but for no other.
        """
        if not self._before or not reads.wait():
            return None
        alike = self._alike(reads.here)
        texts = _printable(alike) if alike else []
        if not texts:
            return None
        first = reads.taken
        reads.take(len(texts))
        self._tries = 0
        return TextDeltas(first, texts, self._reasoning, self._reply_id)

    def _alike(self, here: deque[bytes]) -> list[bytes]:
        """The texts of the first pieces that match the template and have a text."""
        before, after = self._before, self._after
        start, end = len(before), -len(after)
        least = start - end
        found = []
        for piece in here:
            if not piece.endswith(after) or not piece.startswith(before) or len(piece) <= least:
                break
            found.append(piece[start:end])
        return found

    def learn(self, data: str, delta: Delta) -> None:
        """Take `data`, which was decoded to `delta`, as the template if it is an event with nothing but text.

        The place of the text is verified: with another word there, the event must decode to that word and be the same
        otherwise.
        """
        text, reasoning = delta.text or delta.reasoning, bool(delta.reasoning)
        if (
            self._tries >= VAIN_TRIES
            or not text
            or delta != _only(text, reasoning, delta.reply_id, delta.read)
        ):
            return
        self._tries += 1
        self._before = b""
        wanted = _only(_PROBE, reasoning, delta.reply_id)
        at = -1
        for _ in range(_PLACES):
            at = data.find(f'"{text}"', at + 1)
            if at < 0:
                return
            before, after = data[: at + 1], data[at + 1 + len(text) :]
            if self._decodes_to(before + _PROBE + after, wanted):
                self._before, self._after = f"data: {before}".encode(), f"{after}\n\n".encode()
                self._reasoning, self._reply_id = reasoning, delta.reply_id
                return

    def _decodes_to(self, data: str, wanted: Delta) -> bool:
        try:
            return self._decode(data) == wanted
        except TurnError:
            return False


def _printable(texts: list[bytes]) -> list[str]:
    """The first texts that need no escape in JSON, so that none can contain the end of an event."""
    try:
        whole = b"\0".join(texts).decode()
    except UnicodeDecodeError:
        whole = "\\"
    found = whole.split("\0")
    if len(found) == len(texts) and _is_plain(whole.replace("\0", "")):
        return found
    found = []
    for text in texts:
        try:
            found.append(text.decode())
        except UnicodeDecodeError:
            return found
        if not _is_plain(found[-1]):
            return found[:-1]
    return found


def _is_plain(text: str) -> bool:
    return '"' not in text and "\\" not in text and text.isprintable()


def _only(text: str, reasoning: bool, reply_id: str | None, read: int = 0) -> Delta:
    return Delta(read, "" if reasoning else text, text if reasoning else "", reply_id=reply_id)
