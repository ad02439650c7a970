"""The encoder of all servers that send SSE: fills the templates of a StreamFormat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import orjson

from simulator.ground_truth.truth_log import Marks
from simulator.replies.encoder import Encoder, Event
from simulator.replies.job import Job
from simulator.replies.stream_format import EventTemplate, StreamFormat

ONE_TOKEN: Marks = ((1, "token"),)
FinalValues = Callable[[str, int], Mapping[str, bytes]]
"""(finish reason, tokens) -> further values of the events that end a stream."""


class SseEncoder(Encoder):
    """The events of one reply."""

    def __init__(
        self, stream: StreamFormat, job: Job, constants: Mapping[str, str], final_values: FinalValues
    ) -> None:
        self._stream = stream
        self._params = job.params
        self._answer = job.answer
        self._usage_error = job.usage_error
        self._finals = final_values
        self._texts = job.answer.ascii_json if stream.ascii_only else job.answer.json
        self._role_due = stream.role is not None and stream.role_when == "first"
        self._running = job.params.continuous_usage and bool(stream.usage_running)
        blank = (stream.usage_asked_blank if job.params.include_usage else "") or stream.usage_blank
        self._constants = dict(constants)
        if not self._running and stream.usage_when != "asked-on-finish":
            self._constants["usage"] = blank
        if not job.params.return_token_ids:
            self._constants["ids"] = "null"
        self._values: dict[str, bytes] = {"usage": blank.encode()}
        self._templates: dict[str, EventTemplate] = {}
        self._token = self._template(stream.token)
        self._slots = self._token.slots
        self._thinks = job.answer.reasoning if stream.reasoning_key else 0
        self._second = 0
        self._unseen = 0  # tokens without an event of their own, counted with the next event
        self._plain = self._token.around("text") if self._slots == {"text"} else None
        self._merges = not (
            stream.done_when == "every-step" or stream.pack == "all" or stream.one_token_events
        )

    def _template(self, source: str) -> EventTemplate:
        if source not in self._templates:
            framed = self._stream.prefix + source + self._stream.end
            self._templates[source] = EventTemplate(framed, self._constants)
        return self._templates[source]

    def opening(self) -> list[list[Event]]:
        """The role event, where it is sent before the engine starts."""
        return [[self._role()]] if self._stream.role_when == "engine" else []

    def role_early(self) -> list[list[Event]]:
        """See Encoder."""
        if not self._role_due:
            return []
        self._role_due = False
        return [[self._role()]]

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """See Encoder. The usual case, plain tokens in the middle of a stream, takes a short cut."""
        if finish is None and not self._role_due and self._merges and first >= self._thinks:
            text = self._text(first, count)
            if text and self._plain is not None:
                before, after, size = self._plain
                data = b"%x\r\n%b%b%b\r\n" % (size + len(text), before, text, after)
                return data, ONE_TOKEN if count == 1 else ((count, "token"),)
            if text:
                self._set(first, count, text)
                data = self._token.fill(self._values)
                return b"%x\r\n%b\r\n" % (len(data), data), ONE_TOKEN if count == 1 else ((count, "token"),)
        return self.pack(self._groups(first, count, finish))

    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]:
        """Each group as one HTTP chunk, or all of them where the format says so."""
        if self._stream.pack == "all":
            groups = [[event for group in groups for event in group]]
        return super().pack(groups)

    def error(self) -> list[list[Event]]:
        """See Encoder."""
        if not self._stream.error:
            return []
        words = (self.engine_died and self._stream.engine_dead_words) or self._stream.error_words
        self._values["message"] = orjson.dumps(words)
        self._values["raw_message"] = words.encode()
        groups = [[(self._template(self._stream.error).fill(self._values), 0, "error")]]
        if self._stream.error_done and self._stream.done_when != "never":
            groups.append([self._done()])
        return groups

    def interrupted(self) -> list[list[Event]]:
        """See Encoder."""
        return [[self._done()]]

    def cut_event(self, first: int) -> list[list[Event]]:
        """See Encoder."""
        self._set(first, 1, self._text(first, 1))
        data = self._token.fill(self._values)
        return [[(data[: len(data) * 3 // 5] + self._stream.end.encode(), 1, "bad-json")]]

    def huge_event(self, first: int, size: int) -> list[list[Event]]:
        """See Encoder."""
        self._set(first, 1, b"x" * size)
        return [[(self._token.fill(self._values), 1, "huge-event")]]

    def _groups(self, first: int, count: int, finish: str | None) -> list[list[Event]]:
        groups = self._token_events(first, count, finish)
        if self._role_due and (groups or finish is not None):
            self._role_due = False
            role = self._role()
            if self._stream.pack == "ends" and groups:
                groups[0].insert(0, role)
            else:
                groups.insert(0, [role])
        if finish is not None:
            groups += self._ending(finish, first + count)
        elif self._stream.done_when == "every-step":
            groups.append([self._done()])
        return groups

    def _role(self) -> Event:
        self._set_now()
        if self._running:
            self._values["usage"] = self._usage(0)
        return self._template(self._stream.role or "").fill(self._values), 0, "role"

    def _done(self) -> Event:
        return f"{self._stream.prefix}[DONE]{self._stream.end}".encode(), 0, "done"

    def _text(self, first: int, count: int) -> bytes:
        return self._texts[first] if count == 1 else b"".join(self._texts[first : first + count])

    def _set(self, first: int, count: int, text: bytes) -> None:
        values, slots = self._values, self._slots
        values["text"] = text
        if "now" in slots:
            self._set_now()
        if "tok" in slots:
            tokens = self._answer.tokens
            token_object = self._stream.token_object
            values["tok"] = token_object(tokens[min(first, len(tokens) - 1)], text) if token_object else b""
        if "index" in slots:
            values["index"] = b"%d" % (first + 1)
        if self._params.return_token_ids:
            ids = (token.token_id for token in self._answer.tokens[first : first + count])
            values["ids"] = b"[%b]" % b",".join(b"%d" % each for each in ids)
        if self._running:
            values["usage"] = self._usage(first + count)

    def _set_now(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._values["now"] = b"%d" % second

    def _usage(self, count: int) -> bytes:
        text = self._stream.usage_running
        for slot, number in self._counts(count).items():
            text = text.replace(f"<{slot}>", number.decode())
        return text.encode()

    def _counts(self, count: int) -> dict[str, bytes]:
        said = max(0, count + self._usage_error)
        prompt = self._params.prompt_tokens
        return {"prompt": b"%d" % prompt, "count": b"%d" % said, "total": b"%d" % (prompt + said)}

    def _token_events(self, first: int, count: int, finish: str | None) -> list[list[Event]]:
        single = self._stream.one_token_events or self._stream.pack == "all"
        spans = [(first + i, 1) for i in range(count)] if single else [(first, count)] if count else []
        if first < self._thinks < first + count and not single:  # an event has reasoning or the answer
            spans = [(first, self._thinks - first), (self._thinks, first + count - self._thinks)]
        empty = self._stream.last is not None or (first == 0 and self._stream.done_when == "every-step")
        if finish is not None and empty and not spans:
            spans = [(first, 0)]
        groups: list[list[Event]] = []
        for start, length in spans:
            text = self._text(start, length)
            self._set(start, length, text)
            ends = self._stream.last if finish is not None and start + length == first + count else None
            if not text and self._stream.skip_blank and not ends:
                self._unseen += length
                continue
            if ends and finish is not None:
                self._set_finish(finish, first + count)
            source = ends or self._stream.token
            if start < self._thinks:
                source = source.replace('"content":"<text>"', f'"{self._stream.reasoning_key}":"<text>"')
            data = self._template(source).fill(self._values)
            groups.append([(data, length + self._unseen, "token" if text else "blank")])
            self._unseen = 0
        return groups

    def _set_finish(self, finish: str, count: int) -> None:
        self._set_now()
        key = "stop_string" if self._answer.stop is not None and finish == "stop" else finish
        words = self._stream.finish_words or {}
        self._values["finish"] = words.get(key, finish).encode()
        self._values |= self._counts(count)
        self._values |= self._finals(finish, count)
        if self._stream.usage_when == "asked-on-finish" and self._params.include_usage:
            self._values["usage"] = self._usage(count)

    def _ending(self, finish: str, count: int) -> list[list[Event]]:
        stream = self._stream
        self._set_finish(finish, count)
        tail: list[list[Event]] = []
        usage = stream.usage if self._params.include_usage else None
        if stream.finish is not None and not (usage and stream.usage_when == "replaces-finish"):
            tail.append([(self._template(stream.finish).fill(self._values), self._unseen, "finish")])
            self._unseen = 0
        if usage:
            tail.append([(self._template(usage).fill(self._values), self._unseen, "usage")])
        if stream.pack == "ends" and len(tail) == 2:
            tail = [tail[0] + tail[1]]
        if stream.done_when != "never":
            tail.append([self._done()])
        return tail
