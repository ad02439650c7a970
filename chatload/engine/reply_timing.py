"""The meter of one reply: receives its deltas, and returns its instants and counts at the end."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub

from chatload.engine.reasoning_count import reasoning_fields
from chatload.engine.token_count import NO_PART, SPARE, Part, Seen, TokenCount, count_tokens, usual_count
from chatload.model.inline_reasoning import OPENED_BY_TEMPLATE, AnswerStart, after_template_block, visible
from chatload.model.turn import Delta, TextDeltas, TurnRequest, Usage

REPLY_ID_CHARACTERS, FINISH_CHARACTERS = 200, 60
"""Most characters that a turn keeps of a reply id and a finish reason."""
FIRST_READ_NS = 200_000
"""Events that follow the first token with gaps of at most this count as its read: bytes that arrive together may be
read in several pieces."""


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
        self.shares_first_stamp = 0  # events in the read of the first token, from that token on
        self.counted_so_far = 0
        self._all_counted = True
        self._repeated = 0  # events with text whose count is 0
        self._carried = 0  # tokens of events without text since the last event with text
        self._hidden = 0  # tokens of such events that were too many for the text after them
        self._first_event = self._first_read = NO_PART
        self._in_first_read = True
        self._usage_events = 0  # events with text when the usage came
        self._usage_is_alone = True
        self._last_read = -1
        self._gaps_us: list[int] = []
        self._event_tokens: list[int] = []
        self._last_offset_us = 0
        self.text_bytes = 0  # upper bound: 4 bytes per character of texts that are not ASCII
        self._characters = self._reasoning = self._tools = 0
        self._answer: list[str] = []
        self._answer_start = AnswerStart()
        self._before_answer = self._with_answer = (
            NO_PART  # up to the answer, and to the end of its first event
        )
        self._template_block = True  # the text so far may be reasoning in a block opened by the chat template
        self._thoughts: list[str] = []

    def add(self, delta: Delta | TextDeltas) -> None:
        """Add one delta, or several. Deltas must be in the order of their events."""
        if isinstance(delta, TextDeltas):
            self._add_row(delta)
            return
        read, text, reasoning, tool_text, tokens, finish, usage, reply_id = delta
        at_ns = self._stamps[read]
        if self.first_event_ns is None:
            self.first_event_ns = at_ns
        if reply_id and self.reply_id is None:
            self.reply_id = reply_id[:REPLY_ID_CHARACTERS]
        if finish is not None:
            self.finish = finish[:FINISH_CHARACTERS] or None
        has_text = bool(text or reasoning or tool_text)
        if has_text:
            self._add_text(delta, at_ns)
        elif not tokens:
            pass
        elif self._one_token_per_event:
            self._add_tokens(read, tokens, at_ns)
        else:  # part of a character, the end of sequence, or a hidden token: a reader does not see it arrive
            self._carried += tokens
        if usage is not None:
            self._add_usage(usage, has_text)
        if read == self.first_read:
            self.shares_first_stamp += 1

    def _add_usage(self, usage: Usage, with_text: bool) -> None:
        """Use the last usage, but keep an earlier one if the last has no completion tokens."""
        if usage.completion_tokens or not self.usage.completion_tokens:
            self.usage = usage
            self._usage_events = self.events
            self._usage_is_alone = not with_text

    def _add_row(self, row: TextDeltas) -> None:
        """`add` for each of several deltas, in one step where possible."""
        first_ns = self.first_token_ns
        answering = row.reasoning or self.first_answer_ns is not None
        if first_ns is None or self.last_token_ns is None or not answering:
            for delta in row.deltas():
                self.add(delta)
            return
        if self._in_first_read:
            if self._stamps[row.read] - self.last_token_ns > FIRST_READ_NS:
                self._in_first_read = False
            else:
                row = self._without_first_read(row, self.last_token_ns)
        count, text = len(row.texts), "".join(row.texts)
        if self._template_block and OPENED_BY_TEMPLATE in text:
            for delta in row.deltas():
                self.add(delta)
            return
        if not count:
            return
        stamps = self._stamps[row.read : row.read + count]
        offsets_us = [(at_ns - first_ns + 500) // 1000 for at_ns in stamps]
        self._gaps_us.append(offsets_us[0] - self._last_offset_us)
        self._gaps_us += map(sub, offsets_us[1:], offsets_us)
        self._last_offset_us = offsets_us[-1]
        self.last_token_ns = stamps[-1]
        self._last_read = row.read + count - 1
        self.events += count
        if row.tokens is None:
            self._all_counted = False
        else:
            first = self._with_carried(row.tokens[0], row.texts[0])
            self._event_tokens.append(first)
            self._event_tokens += row.tokens[1:]
            self.counted_so_far += first - row.tokens[0] + sum(row.tokens)
            self._repeated += row.tokens.count(0)
        if row.usage is not None:
            self._add_usage(row.usage, True)
        size = len(text)
        self._characters += size
        self.text_bytes += size if text.isascii() else 4 * size
        if row.reasoning:
            self._reasoning += size
            self._thoughts.append(text)
        else:
            self._answer.append(text)

    def _without_first_read(self, row: TextDeltas, last_ns: int) -> TextDeltas:
        """Add the deltas that still belong to the first read, whose last event was at `last_ns`; returns the others."""
        head, count = 0, len(row.texts)
        for at_ns in self._stamps[row.read : row.read + count]:
            if at_ns - last_ns > FIRST_READ_NS:
                break
            last_ns = at_ns
            head += 1
        for delta in row.part(0, head).deltas() if head else ():
            self.add(delta)
        self._in_first_read = head == count
        return row.part(head, count) if head else row

    def _add_text(self, delta: Delta, at_ns: int) -> None:
        read, text, thought, called, tokens, _, _, _ = delta
        everything = text + thought + called
        size = len(everything)
        self._characters += size
        self.text_bytes += size if everything.isascii() else 4 * size
        if text:
            self._answer.append(text)
        if thought:
            self._reasoning += len(thought)
            self._thoughts.append(thought)
        self._tools += len(called)
        if self.first_token_ns is None and visible(everything):
            self.first_token_ns = at_ns
            self.first_read = read
        if self.first_answer_ns is None:
            self.first_answer_ns = at_ns if visible(called) else self._answer_start.take(text, at_ns)
            if self.first_answer_ns is not None:
                self._answer_begins(size, tokens)
        elif self._template_block and OPENED_BY_TEMPLATE in text:
            self._end_template_block(text, at_ns)
            self._answer_begins(size, tokens)
        if tokens == 0:
            self._repeated += 1
        if self._carried and tokens is not None:
            tokens = self._with_carried(tokens, text or thought or called)
        self._add_tokens(read, tokens, at_ns)

    def _end_template_block(self, text: str, at_ns: int) -> None:
        """Let the answer begin after the closing tag, unless the tag is part of the answer."""
        self._template_block = False
        if after_template_block(self.text) is not None:
            self._answer_start = AnswerStart()
            self.first_answer_ns = self._answer_start.take(text.partition(OPENED_BY_TEMPLATE)[2], at_ns)

    def _answer_begins(self, size: int, tokens: int | None) -> None:
        """Record that the next counted event, of `size` characters and `tokens`, is the answer's first."""
        events, characters, counted = self.events, self._characters, self.counted_so_far
        self._before_answer = Part(events, characters - size, counted)
        self._with_answer = Part(events + 1, characters, counted + (tokens or 0))

    def _with_carried(self, tokens: int, text: str) -> int:
        """The count of an event with text, plus those of events without text before it if the text is long enough."""
        carried, self._carried = self._carried, 0
        if tokens + carried <= 4 * len(text) + SPARE:
            return tokens + carried
        self._hidden += carried
        return tokens

    def _add_tokens(self, read: int, tokens: int | None, at_ns: int) -> None:
        self.events += 1
        if tokens is None:
            self._all_counted = False
        else:
            self.counted_so_far += tokens
        if read == self._last_read:
            self.coalesced += 1
        self._last_read = read
        first_ns = self.first_token_ns
        if (
            first_ns is None
        ):  # invisible: no gap starts here, and TPOT excludes its tokens with the first token's
            return
        if self._in_first_read:
            self._in_first_read = at_ns - (self.last_token_ns or first_ns) <= FIRST_READ_NS
            if self._in_first_read:
                self._first_read = Part(self.events, self._characters, self.counted_so_far)
        if self.last_token_ns is None:
            self._first_event = self._first_read
        else:
            # Offsets are rounded, not gaps, so that rounding errors do not add up.
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
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join(self._thoughts)

    @property
    def characters(self) -> int:
        """Characters of visible text so far: answer, reasoning and tool calls."""
        return self._characters

    def instants(self) -> dict[str, object]:
        """The fields of a `Turn` that follow from the reply."""
        count, reasoning = self._count()
        per_event = count.trusts_events and any(tokens != 1 for tokens in self._event_tokens)
        same_read = count.first_read == count.first_event
        if self._template_block and after_template_block(self.text) is not None:
            self.first_answer_ns = None  # the closing tag was cut into several events: unknown
        return {
            **reasoning,
            "first_event_ns": self.first_event_ns,
            "first_token_ns": self.first_token_ns,
            "first_answer_ns": self.first_answer_ns,
            "last_token_ns": self.last_token_ns,
            "finish": self.finish,
            "reply_id": self.reply_id,
            "tokens": count.tokens,
            "token_source": count.source,
            "usage_tokens": None if count.usage_tokens == count.tokens else count.usage_tokens,
            "usage_doubt": count.doubt,
            "prompt_tokens": self.usage.prompt_tokens or None,
            "cached_tokens": self.usage.cached_tokens,
            "server_queue_ms": self.usage.queue_ms,
            "server_prefill_ms": self.usage.prefill_ms,
            "events": self.events,
            "first_event_tokens": count.first_event,
            "first_event_source": count.first_source,
            "first_read_tokens": None if same_read else count.first_read,
            "tail_tokens": count.tail,
            "gaps_us": tuple(self._gaps_us),
            "event_tokens": tuple(self._event_tokens) if per_event else None,
            "coalesced": self.coalesced,
            "characters": self._characters,
        }

    def _count(self) -> tuple[TokenCount, dict[str, object]]:
        """The tokens of the reply, and the fields of a `Turn` on its reasoning."""
        answer_first = self.first_answer_ns == self.first_token_ns
        if not (self._reasoning or self._tools or self._all_counted) and answer_first:
            usage_ended_it = self._usage_is_alone and self._usage_events == self.events
            first = (self._first_event.events, self._first_read.events)
            found = usual_count(self.usage, self.events, self._characters, first, self.finish)
            if found is not None and usage_ended_it:
                return found, {}
        seen = self._seen()
        count = count_tokens(seen)
        shown = (self.first_token_ns, self.first_answer_ns)
        return count, reasoning_fields(seen, count, shown, self._before_answer, self._with_answer)

    def _seen(self) -> Seen:
        return Seen(
            all=Part(self.events, self._characters, self.counted_so_far),
            first_event=self._first_event,
            first_read=self._first_read,
            usage=self.usage,
            usage_is_last=self._usage_events == self.events,
            usage_is_alone=self._usage_is_alone,
            counted=self._all_counted,
            repeated=self._repeated,
            tail=self._carried,
            hidden=self._hidden,
            most_bytes=self.text_bytes,
            ascii=self.text_bytes == self._characters,
            reasoning=self._reasoning,
            tools=self._tools,
            finish=self.finish,
            max_tokens=self._request.max_tokens,
            one_token_per_event=self._one_token_per_event,
            ignores_eos=self._request.extra.get("ignore_eos") is True,
        )
