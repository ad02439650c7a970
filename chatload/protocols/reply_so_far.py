"""Detects events that repeat the whole reply so far, and finish reasons that are not the end."""

from __future__ import annotations

from chatload.model.turn import Delta, TextDeltas

LEAST_EVENTS, LEAST_CHARACTERS = 3, 20
"""A text without a finish reason counts as a repetition only of a reply of so many events and characters."""
TRIMMED = 16
"""Most whitespace characters at its ends that a repetition may lack."""


class _Text:
    """Text received so far: its pieces, the number of its events, and its length."""

    __slots__ = ("events", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.events = self.size = 0

    def add(self, text: str, events: int = 1) -> None:
        """Append a text that came in so many events."""
        self.pieces.append(text)
        self.events += events
        self.size += len(text)

    def beyond(self, text: str) -> str:
        """The new part of a text under `message`: the rest if it begins with the text so far, otherwise all."""
        before = "".join(self.pieces)
        return text[len(before) :] if text.startswith(before) else text

    def repeated_by(self, text: str, *, final: bool) -> bool:
        """Whether `text` equals the text so far, up to whitespace; `final`: its event has a finish reason."""
        if not 0 <= self.size - len(text) <= TRIMMED or self.events < (2 if final else LEAST_EVENTS):
            return False
        return (final or len(text) >= LEAST_CHARACTERS) and text.strip() == "".join(self.pieces).strip()


NO_TEXT = _Text()
"""Stands for a text that is not assembled yet; never changed."""


class ReplySoFar:
    """Receives the deltas of one reply. Its text is only assembled when a delta may repeat it.

    `several`: the reply has several choices, which end one by one.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._waiting: list[Delta | TextDeltas] = []  # not added to these texts yet
        self._texts = self._thoughts = self._calls = NO_TEXT
        self._answer_events = 0
        self._by_delta = False
        self._finish: str | None = None
        self._held: str | None = None
        self._text_had_finish = False

    @property
    def is_empty(self) -> bool:
        """Whether the reply has neither text nor a finish reason so far."""
        return not (self._answer_events or self._by_delta or self._finish or self._held)

    def repeats(self, row: TextDeltas) -> bool:
        """Whether the last text of a row may repeat the reply: then each of its deltas needs `checked`, not `add`."""
        last = len(row.texts[-1])
        if last < LEAST_CHARACTERS:
            return False
        self._assemble()
        so_far = self._thoughts if row.reasoning else self._texts
        before = so_far.size + sum(map(len, row.texts)) - last
        return last - TRIMMED <= before <= last + TRIMMED

    def add(self, row: TextDeltas) -> bool:
        """Add a row of texts; False if the reply had a finish reason before it."""
        self._waiting.append(row)
        if not row.reasoning:
            self._answer_events += len(row.texts)
        went_on = self._finish is not None and not self._several
        self._finish = self._held = None
        self._text_had_finish = False
        return not went_on

    def checked(self, delta: Delta, *, whole: bool) -> Delta:
        """The delta without repeated text, and with a finish reason only if it may be the end.

        `whole`: its text was under `message`, where servers put the whole reply, or all of it so far.
        """
        _, text, reasoning, tool_text, _, finish, _, _ = delta
        if whole or reasoning or tool_text or len(text) >= LEAST_CHARACTERS:
            return self._checked_in_full(delta, whole)
        # With more events before it, the text is too short to repeat them.
        if finish and text and self._answer_events <= len(text) + TRIMMED:
            return self._checked_in_full(delta, whole)
        if text:
            self._by_delta = True
            self._answer_events += 1
            self._waiting.append(delta)
        if (finish or self._finish or self._held) and not self._several:
            return self._ended(delta)
        return delta

    def _checked_in_full(self, delta: Delta, whole: bool) -> Delta:
        """`checked` for any delta, without its shortcuts."""
        self._assemble()
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

    def _assemble(self) -> None:
        """Add the waiting deltas to the texts."""
        if self._texts is NO_TEXT:
            self._texts, self._thoughts, self._calls = _Text(), _Text(), _Text()
        for one in self._waiting:
            if isinstance(one, TextDeltas):
                (self._thoughts if one.reasoning else self._texts).add("".join(one.texts), len(one.texts))
            else:
                self._texts.add(one.text)
        self._waiting.clear()

    def done(self, read: int) -> Delta | None:
        """At `[DONE]`: a delta with the finish reason that was held back; None if there is none."""
        if not self._held:
            return None
        held, self._held = self._held, None
        return Delta(read, finish=held)

    def _new(self, text: str, so_far: _Text, whole: bool, final: bool) -> str:
        """The part of `text` that does not repeat `so_far`."""
        if not text or not so_far.events:
            return text
        if whole:
            return "" if self._by_delta else so_far.beyond(text)
        return "" if so_far.repeated_by(text, final=final) else text

    def _ended(self, delta: Delta) -> Delta:
        """The delta with its finish reason if that may be the end.

        Text after a finish reason revokes it, by a finish of "". Some servers write "stop" on each event: the
        second in a row with text is held back until [DONE], the usage or an event without text confirms it.
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
