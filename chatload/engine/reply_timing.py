"""The meter of one reply: fed with deltas while the reply runs, asked for its instants at the end."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub

from chatload.engine.token_count import Seen, first_event_tokens_of, tail_tokens_of, tokens_of
from chatload.model.turn import Delta, TextDeltas, TurnRequest, Usage

REPLY_ID_CHARACTERS, FINISH_CHARACTERS = 200, 60
"""A turn keeps so much of what a server may make as long as it likes."""


class ReplyMeter:
    """Turns deltas and the stamps of their reads into the instants of a `Turn`.

    `stamps` holds the instant (ns) of each body read; it may still grow while deltas come in.
    """

    def __init__(self, stamps: Sequence[int], request: TurnRequest, *, one_token_per_event: bool) -> None:
        self._stamps = stamps
        self._request = request
        self._one_token_per_event = one_token_per_event
        self.first_event_ns: int | None = None
        self.first_token_ns: int | None = None
        self.first_answer_ns: int | None = None
        self.last_token_ns: int | None = None
        self.finish: str | None = None
        self.reply_id: str | None = None
        self.usage = Usage()
        self.events = 0
        self.coalesced = 0
        self.first_read: int | None = None
        self.shares_first_stamp = 0  # events from the first token on that came in its read, itself too
        self.counted_so_far = 0
        self._all_counted = True
        self._counted_first: int | None = None
        self._last_read = -1
        self._gaps_us: list[int] = []
        self._event_tokens: list[int] = []
        self._last_offset_us = 0
        self.text_bytes = 0  # about what the text takes: 4 bytes a character where one is not ASCII
        self._characters = 0
        self._characters_first = 0
        self._answer: list[str] = []

    def add(self, delta: Delta | TextDeltas) -> None:
        """Take one delta in, or a row of them. Deltas come in the order of their events."""
        if isinstance(delta, TextDeltas):
            self._add_row(delta)
            return
        at_ns = self._stamps[delta.read]
        if self.first_event_ns is None:
            self.first_event_ns = at_ns
        if delta.reply_id and self.reply_id is None:
            self.reply_id = delta.reply_id[:REPLY_ID_CHARACTERS]
        if delta.finish is not None:
            self.finish = delta.finish[:FINISH_CHARACTERS] or None
        if delta.usage is not None:
            self.usage = delta.usage
        if delta.text or delta.reasoning or delta.tool_text:
            self._add_text(delta, at_ns)
            self._add_tokens(delta, at_ns)
        elif delta.tokens:
            self._add_tokens(delta, at_ns)
        if delta.read == self.first_read:
            self.shares_first_stamp += 1

    def _add_row(self, row: TextDeltas) -> None:
        """What `add` does with each of them."""
        first_ns = self.first_token_ns
        answering = row.reasoning or self.first_answer_ns is not None
        if first_ns is None or self.last_token_ns is None or not answering:
            for delta in row.deltas():
                self.add(delta)
            return
        count = len(row.texts)
        stamps = self._stamps[row.read : row.read + count]
        offsets_us = [(at_ns - first_ns + 500) // 1000 for at_ns in stamps]
        self._gaps_us.append(offsets_us[0] - self._last_offset_us)
        self._gaps_us += map(sub, offsets_us[1:], offsets_us)
        self._last_offset_us = offsets_us[-1]
        self.last_token_ns = stamps[-1]
        self._last_read = row.read + count - 1
        self.events += count
        self._all_counted = False
        characters = sum(map(len, row.texts))
        self._characters += characters
        self.text_bytes += characters
        if not row.reasoning:
            self._answer.extend(row.texts)

    def _add_text(self, delta: Delta, at_ns: int) -> None:
        text = delta.text
        size = len(text) + len(delta.reasoning) + len(delta.tool_text)
        self._characters += size
        self.text_bytes += size if text.isascii() else 4 * size
        if text:
            self._answer.append(text)
        if self.first_token_ns is None:
            self.first_token_ns = at_ns
            self.first_read = delta.read
            self._characters_first = size
        if self.first_answer_ns is None and (text or delta.tool_text):
            self.first_answer_ns = at_ns

    def _add_tokens(self, delta: Delta, at_ns: int) -> None:
        self.events += 1
        tokens = delta.tokens
        if tokens is None:
            self._all_counted = False
        else:
            self.counted_so_far += tokens
        if delta.read == self._last_read:
            self.coalesced += 1
        self._last_read = delta.read
        first_ns = self.first_token_ns
        if first_ns is None:  # a token without text, before any text: no gap can start here
            return
        if self.last_token_ns is None:
            self._counted_first = self.counted_so_far
        else:
            # Offsets are rounded, not gaps, so that rounding never adds up.
            offset_us = (at_ns - first_ns + 500) // 1000
            self._gaps_us.append(offset_us - self._last_offset_us)
            self._last_offset_us = offset_us
            self._event_tokens.append(tokens or 0)
        self.last_token_ns = at_ns

    @property
    def text(self) -> str:
        """The answer so far, without reasoning."""
        return "".join(self._answer)

    @property
    def characters(self) -> int:
        """Characters of visible text so far: answer, reasoning and tool calls."""
        return self._characters

    def instants(self) -> dict[str, object]:
        """The fields of a `Turn` that the reply itself decides."""
        seen = Seen(
            usage_tokens=self.usage.completion_tokens,
            counted=self.counted_so_far if self._all_counted else None,
            counted_first=self._counted_first if self._all_counted else None,
            events=self.events,
            characters=self._characters,
            characters_first=self._characters_first,
            finish=self.finish,
            max_tokens=self._request.max_tokens,
            one_token_per_event=self._one_token_per_event,
            ignores_eos=self._request.extra.get("ignore_eos") is True,
        )
        tokens, source = tokens_of(seen)
        first_tokens, first_source = first_event_tokens_of(seen, tokens)
        per_event = self._all_counted and any(count != 1 for count in self._event_tokens)
        return {
            "first_event_ns": self.first_event_ns,
            "first_token_ns": self.first_token_ns,
            "first_answer_ns": self.first_answer_ns,
            "last_token_ns": self.last_token_ns,
            "finish": self.finish,
            "reply_id": self.reply_id,
            "tokens": tokens,
            "token_source": source,
            "prompt_tokens": self.usage.prompt_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "events": self.events,
            "first_event_tokens": first_tokens,
            "first_event_source": first_source,
            "tail_tokens": tail_tokens_of(seen, tokens),
            "gaps_us": tuple(self._gaps_us),
            "event_tokens": tuple(self._event_tokens) if per_event else None,
            "coalesced": self.coalesced,
            "characters": self._characters,
        }
