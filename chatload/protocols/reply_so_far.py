"""What a reply has said so far: recognises an event that repeats it, and a finish reason that was not the end."""

from __future__ import annotations

from chatload.model.turn import Delta, TextDeltas

LEAST_EVENTS, LEAST_CHARACTERS = 3, 20
"""A text without a finish reason repeats the reply if that had so many events, and the text so many characters."""
TRIMMED = 16
"""Blanks at its ends that a repeated reply may lack."""


class _Heard:
    """Text that came before: its pieces, how many events brought it, and its length."""

    __slots__ = ("events", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.events = self.size = 0

    def add(self, text: str, events: int = 1) -> None:
        """Take more in."""
        self.pieces.append(text)
        self.events += events
        self.size += len(text)

    def beyond(self, text: str) -> str:
        """What is new of a text that stood under `message`: all, or the rest if it begins with what came before."""
        before = "".join(self.pieces)
        return text[len(before) :] if text.startswith(before) else text

    def repeated_by(self, text: str, *, final: bool) -> bool:
        """Whether a text is what came before, once more."""
        if not 0 <= self.size - len(text) <= TRIMMED or self.events < (2 if final else LEAST_EVENTS):
            return False
        return (final or len(text) >= LEAST_CHARACTERS) and text.strip() == "".join(self.pieces).strip()


NOTHING_HEARD = _Heard()
"""Stands where nothing was put together yet; never added to."""


class ReplySoFar:
    """Fed with what one reply says, event by event.

    `several`: the reply has several choices, which end one by one. What came is only put together where a text may
    repeat it.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._waiting: list[Delta | TextDeltas] = []  # came, and is in none of these yet
        self._texts = self._thoughts = self._calls = NOTHING_HEARD
        self._answer_events = 0
        self._by_delta = False
        self._finish: str | None = None
        self._held: str | None = None
        self._text_had_finish = False

    def repeats(self, row: TextDeltas) -> bool:
        """Whether the last text of a row may be the whole reply once more: then it is to be `checked` by itself."""
        last = len(row.texts[-1])
        if last < LEAST_CHARACTERS:
            return False
        self._catch_up()
        heard = self._thoughts if row.reasoning else self._texts
        before = heard.size + sum(map(len, row.texts)) - last
        return last - TRIMMED <= before <= last + TRIMMED

    def add(self, row: TextDeltas) -> bool:
        """Take a row of texts in; False if the reply had seemed to end before it."""
        self._waiting.append(row)
        if not row.reasoning:
            self._answer_events += len(row.texts)
        went_on = self._finish is not None and not self._several
        self._finish = self._held = None
        self._text_had_finish = False
        return not went_on

    def checked(self, delta: Delta, *, whole: bool) -> Delta:
        """The delta without what it repeats, and with a finish reason only where that can be believed.

        `whole`: its text stood under `message`, where servers put the whole reply, or all of it so far.
        """
        _, text, reasoning, tool_text, _, finish, _, _ = delta
        if whole or reasoning or tool_text or len(text) >= LEAST_CHARACTERS:
            return self._seldom(delta, whole)
        if (
            finish and text and self._answer_events <= len(text) + TRIMMED
        ):  # else it is too short to be all of them
            return self._seldom(delta, whole)
        if text:
            self._by_delta = True
            self._answer_events += 1
            self._waiting.append(delta)
        if (finish or self._finish or self._held) and not self._several:
            return self._ended(delta)
        return delta

    def _seldom(self, delta: Delta, whole: bool) -> Delta:
        """What `checked` says of any delta."""
        self._catch_up()
        text, reasoning = delta.text, delta.reasoning
        if delta.tool_text:
            tool_text = self._new(delta.tool_text, self._calls, whole, delta.finish is not None)
            delta = delta._replace(tool_text=tool_text)
            self._calls.add(tool_text)
            self._by_delta = self._by_delta or not whole
        if text or reasoning:
            if whole or delta.finish or len(text) >= LEAST_CHARACTERS or len(reasoning) >= LEAST_CHARACTERS:
                final = delta.finish is not None
                text = self._new(text, self._texts, whole, final)
                reasoning = self._new(reasoning, self._thoughts, whole, final)
                if text != delta.text or reasoning != delta.reasoning:
                    delta = delta._replace(text=text, reasoning=reasoning)
            if not whole:
                self._by_delta = True
            if text:
                self._texts.add(text)
                self._answer_events += 1
            if reasoning:
                self._thoughts.add(reasoning)
        if delta.finish or self._finish or self._held:
            return delta if self._several else self._ended(delta)
        return delta

    def _catch_up(self) -> None:
        """Put together what waits."""
        if self._texts is NOTHING_HEARD:
            self._texts, self._thoughts, self._calls = _Heard(), _Heard(), _Heard()
        for one in self._waiting:
            if isinstance(one, TextDeltas):
                (self._thoughts if one.reasoning else self._texts).add("".join(one.texts), len(one.texts))
            else:
                self._texts.add(one.text)
        self._waiting.clear()

    def done(self, read: int) -> Delta | None:
        """At `[DONE]`: the finish reason that was held back, as it stood on each event."""
        if not self._held:
            return None
        held, self._held = self._held, None
        return Delta(read, finish=held)

    def _new(self, text: str, heard: _Heard, whole: bool, final: bool) -> str:
        """What of `text` is new after what came before."""
        if not text or not heard.events:
            return text
        if whole:
            return "" if self._by_delta else heard.beyond(text)
        return "" if heard.repeated_by(text, final=final) else text

    def _ended(self, delta: Delta) -> Delta:
        """The delta with its finish reason where that may be the end.

        Text after a finish reason takes it back, by an empty one. Some servers write "stop" on each event: the second
        one in a row that stands on text is held back until [DONE], the usage or an event without text confirms it.
        """
        finish = delta.finish
        if not delta.has_text:
            if finish is None and delta.usage is not None:
                finish = self._held
            if finish is not None:
                self._finish, self._held = finish, None
            return delta if finish == delta.finish else delta._replace(finish=finish)
        in_a_row, self._text_had_finish = self._text_had_finish, finish is not None
        confirmed = delta.usage is not None and not delta.tokens  # a running count confirms nothing
        if finish is not None and (not in_a_row or confirmed):
            self._finish, self._held = finish, None
            return delta
        self._finish, self._held = None, finish
        return delta._replace(finish="")
