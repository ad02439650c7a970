"""vLLM 0.1.2's native stream: each frame is a JSON object with the whole text so far, ended by a NUL byte."""

from __future__ import annotations

from simulator.ground_truth.truth_log import Marks
from simulator.http.framing import http_chunk
from simulator.replies.encoder import Encoder, Event
from simulator.replies.job import Job
from simulator.text.tokens import make_token

UNKNOWN = b" \\ufffd"


class CumulativeEncoder(Encoder):
    """Frames of `{"text": ["<prompt><answer so far>"]}\\0`; no finish, no count, no end mark, no error frame."""

    def __init__(self, job: Job) -> None:
        self._texts = job.answer.ascii_json
        self._tokens = job.answer.tokens
        self._so_far = bytearray(b'{"text": ["' + make_token(job.params.prompt, 0, 0.0).ascii_json)

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """One frame; an EOS step repeats the last text."""
        for place in range(first, first + count):
            repaired = self._tokens[place].whole_after_half
            if repaired and self._so_far.endswith(UNKNOWN):
                del self._so_far[-len(UNKNOWN) :]
            self._so_far += self._tokens[place].ascii_json if repaired else self._texts[place]
        if not count and finish is None:
            return b"", ()
        shown = any(self._texts[first : first + count])
        return http_chunk(bytes(self._so_far) + b'"]}\0'), ((count, "token" if shown else "blank"),)

    def cut_event(self, first: int) -> list[list[Event]]:
        """A frame whose JSON is cut off."""
        return [[(bytes(self._so_far) + b"\0", 1, "bad-json")]]

    def huge_event(self, first: int, size: int) -> list[list[Event]]:
        """A frame with `size` bytes more text; later frames repeat it."""
        self._so_far += b"x" * size
        return [[(bytes(self._so_far) + b'"]}\0', 1, "huge-event")]]
