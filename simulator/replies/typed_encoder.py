"""The encoder of streams whose events are of several types: some before the text, a delta a token, some after it.

OpenAI's Responses, Anthropic's Messages and Ollama's lines. Tokens without text have no event of their own; they are
counted with the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as counter

import orjson

from simulator.ground_truth.truth_log import Marks
from simulator.replies.encoder import Encoder, Event
from simulator.replies.job import Job
from simulator.replies.stream_format import EventTemplate

FinalValues = Callable[[str, int], Mapping[str, bytes]]
"""(finish reason, tokens) -> further values of the events that end a stream."""


@dataclass(frozen=True, slots=True)
class TypedFormat:
    """The events of a stream as templates, each one an HTTP chunk.

    `opening` come before the request enters the engine, `begin` with the first token, `delta` is that of a token,
    `last` come after the last one; `error` is the server's own in the middle, "" where it just breaks off.
    Slots: those of StreamFormat's constants, `<text>` (the token's, within quotation marks), `<whole>` (all of the text
    so far, with quotation marks), `<seq>` (0, 1, …), `<at>` (now, RFC 3339), `<prompt> <count> <total>`, and what
    `final_values` brings.
    """

    delta: str
    opening: tuple[str, ...] = ()
    begin: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    error: str = ""
    error_words: str = "Internal server error"
    end: str = "\n\n"
    finish_words: Mapping[str, str] | None = None


def event(kind: str, data: str) -> str:
    """A template of an event with its type in the line before its data."""
    return f"event: {kind}\ndata: {data}"


class TypedEncoder(Encoder):
    """The events of one reply."""

    def __init__(
        self, stream: TypedFormat, job: Job, constants: Mapping[str, str], final_values: FinalValues
    ) -> None:
        self._stream = stream
        self._job = job
        self._texts = job.answer.json
        self._finals = final_values
        self._constants = constants
        self._templates: dict[str, EventTemplate] = {}
        self._delta = self._template(stream.delta)
        self._begun = not stream.begin
        self._numbers = counter()
        self._sent = 0
        self._unseen = 0
        self._more: Mapping[str, bytes] = {}

    def opening(self) -> list[list[Event]]:
        """The events before the engine."""
        return [[(self._filled(source), 0, "role")] for source in self._stream.opening]

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """See Encoder."""
        groups: list[list[Event]] = []
        text = b"".join(self._texts[first : first + count])
        self._sent, self._unseen = first + count, self._unseen + count
        if not self._begun and (text or finish is not None):
            self._begun = True
            groups += [[(self._filled(source), 0, "role")] for source in self._stream.begin]
        if text:
            groups.append([(self._token(text), self._unseen, "token")])
            self._unseen = 0
        if finish is not None:
            groups += self._ending(finish)
        return self.pack(groups)

    def _ending(self, finish: str) -> list[list[Event]]:
        words = self._stream.finish_words or {}
        key = "stop_string" if self._job.answer.stop is not None and finish == "stop" else finish
        self._more = {
            "finish": words.get(key, words.get(finish, finish)).encode(),
            **self._finals(finish, self._sent),
        }
        groups: list[list[Event]] = []
        for source in self._stream.last:
            groups.append([(self._filled(source), self._unseen, "finish")])
            self._unseen = 0
        return groups

    def error(self) -> list[list[Event]]:
        """See Encoder."""
        if not self._stream.error:
            return []
        self._more = {"message": orjson.dumps(self._stream.error_words)}
        return [[(self._filled(self._stream.error), 0, "error")]]

    def cut_event(self, first: int) -> list[list[Event]]:
        """See Encoder."""
        data = self._token(self._texts[first])
        return [[(data[: len(data) * 3 // 5] + self._stream.end.encode(), 1, "bad-json")]]

    def huge_event(self, first: int, size: int) -> list[list[Event]]:
        """See Encoder."""
        return [[(self._token(b"x" * size), 1, "huge-event")]]

    def _token(self, text: bytes) -> bytes:
        slots = self._delta.slots
        values = {"text": text}
        if "seq" in slots:
            values["seq"] = b"%d" % next(self._numbers)
        if "at" in slots:
            values["at"] = now()
        return self._delta.fill(values)

    def _filled(self, source: str) -> bytes:
        params = self._job.params
        said = max(0, self._sent + self._job.usage_error)
        return self._template(source).fill(
            {
                "seq": b"%d" % next(self._numbers),
                "at": now(),
                "whole": orjson.dumps(self._job.answer.text(self._sent)),
                "prompt": b"%d" % params.prompt_tokens,
                "count": b"%d" % said,
                "total": b"%d" % (params.prompt_tokens + said),
                **self._more,
            }
        )

    def _template(self, source: str) -> EventTemplate:
        if source not in self._templates:
            self._templates[source] = EventTemplate(source + self._stream.end, self._constants)
        return self._templates[source]


def now() -> bytes:
    """Now, as Go writes it, with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
