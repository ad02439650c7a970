"""vLLM 0.1.2's native stream: each frame is a JSON object with the whole text so far, ended by a NUL byte."""

from __future__ import annotations

from simulator.ground_truth.truth_log import Marks
from simulator.http.framing import http_chunk
from simulator.replies.job import Job
from simulator.replies.sse_encoder import Event
from simulator.text.tokens import make_token

UNKNOWN = b" \\ufffd"


class CumulativeEncoder:
    """Frames of `{"text": ["<prompt><answer so far>"]}\\0`; no finish, no count, no end mark."""

    def __init__(self, job: Job) -> None:
        self._texts = job.answer.ascii_json
        self._tokens = job.answer.tokens
        self._sofar = bytearray(b'{"text": ["' + make_token(job.params.prompt, 0, 0.0).ascii_json)

    def opening(self) -> list[list[Event]]:
        """Nothing is written before the first token."""
        return []

    def role_early(self) -> list[list[Event]]:
        """There is no role event."""
        return []

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """One frame; an EOS step repeats the last text."""
        for place in range(first, first + count):
            repaired = self._tokens[place].whole_after_half
            if repaired and self._sofar.endswith(UNKNOWN):
                del self._sofar[-len(UNKNOWN) :]
            self._sofar += self._tokens[place].ascii_json if repaired else self._texts[place]
        if not count and finish is None:
            return b"", ()
        shown = any(self._texts[first : first + count])
        return http_chunk(bytes(self._sofar) + b'"]}\0'), ((count, "token" if shown else "blank"),)

    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]:
        """Each group becomes one HTTP chunk."""
        data = b"".join(http_chunk(b"".join(event[0] for event in group)) for group in groups)
        return data, tuple((event[1], event[2]) for group in groups for event in group)

    def error(self) -> list[list[Event]]:
        """There is no error frame: the body just breaks off."""
        return []

    def broken(self, first: int) -> list[list[Event]]:
        """A frame whose JSON is cut."""
        return [[(bytes(self._sofar) + b"\0", 1, "bad-json")]]

    def huge(self, first: int, size: int) -> list[list[Event]]:
        """A frame with a text of `size` bytes more (the text so far keeps it)."""
        self._sofar += b"x" * size
        return [[(bytes(self._sofar) + b'"]}\0', 1, "huge-event")]]
