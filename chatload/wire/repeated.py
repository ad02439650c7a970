"""Events that are alike but for their text: most of a chat reply, told without reading their JSON again.

Servers repeat id, model and the rest in every event. An event with the same characters before and after its
text as one that was decoded in full says the same but for that text. Whatever is not exactly alike, or has an
escape or a control character in its text, is decoded in full.
"""

from __future__ import annotations

from collections.abc import Callable

from chatload.errors import TurnError
from chatload.turn import Delta

VAIN_TRIES = 4
"""After so many models that no event was like, a reply's events are taken to differ in more than text."""
_PROBE = "probe"
_PLACES = 4
_delta = Delta._make  # a third of the time of Delta(…)


class Repeated:
    """The model of a reply's last kind of event. `decode` reads one event's data in full, without memory."""

    def __init__(self, decode: Callable[[str], Delta]) -> None:
        self._decode = decode
        self._tries = 0
        self._before = self._after = ""
        self._start = self._end = 0
        self._reasoning = False
        self._reply_id: str | None = None

    def delta(self, read: int, data: str) -> Delta | None:
        """What `data` brings if it is like the model; None when it has to be decoded in full."""
        if not self._before or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        text = data[self._start : len(data) - self._end]
        if len(data) < self._start + self._end or '"' in text or "\\" in text or not text.isprintable():
            return None
        self._tries = 0
        if self._reasoning:
            return _delta((read, "", text, "", None, None, None, self._reply_id))
        return _delta((read, text, "", "", None, None, None, self._reply_id))

    def learn(self, data: str, delta: Delta) -> None:
        """Take `data`, which was decoded to `delta`, as the model; only events that are all text will do.

        The place of the text is proven, not guessed: another word there must decode to that word, and to
        nothing else that is new.
        """
        text = delta.text or delta.reasoning
        alone = not (delta.text and delta.reasoning) and delta == _only(text, bool(delta.reasoning), delta)
        if self._tries >= VAIN_TRIES or not text or not alone:
            return
        self._tries += 1
        self._before = ""
        wanted = _only(_PROBE, bool(delta.reasoning), delta)._replace(read=0)
        at = -1
        for _ in range(_PLACES):
            at = data.find(f'"{text}"', at + 1)
            if at < 0:
                return
            before, after = data[: at + 1], data[at + 1 + len(text) :]
            if self._decodes_to(before + _PROBE + after, wanted):
                self._before, self._after = before, after
                self._start, self._end = len(before), len(after)
                self._reasoning, self._reply_id = bool(delta.reasoning), delta.reply_id
                return

    def _decodes_to(self, data: str, wanted: Delta) -> bool:
        try:
            return self._decode(data) == wanted
        except TurnError:
            return False


def _only(text: str, reasoning: bool, delta: Delta) -> Delta:
    return Delta(delta.read, "" if reasoning else text, text if reasoning else "", reply_id=delta.reply_id)
