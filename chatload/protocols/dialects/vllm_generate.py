"""Dialect `vllm-generate`: POST /generate of vLLM 0.1.2's own api_server.

Each frame is `{"text": ["<prompt><answer so far>"]}` and a NUL byte. There is no finish reason, count or end mark: the
end of the HTTP body is the end of the reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import orjson

from chatload.model.errors import WireError
from chatload.model.turn import Delta, TurnRequest
from chatload.protocols.dialect import Dialect, ForeignBody
from chatload.protocols.event_data import loaded
from chatload.protocols.foreign_body import prompt_body
from chatload.protocols.framing import nul_frames
from chatload.protocols.prompt_text import prompt_text

_UNFINISHED = "�"  # a character whose bytes are incomplete; a later frame has it


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /generate, without a model: every further key must be a sampling parameter."""
    top: dict[str, object] = {"prompt": prompt_text(request.messages), "stream": True}
    if request.max_tokens is not None:
        top["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        top["temperature"] = request.temperature
    return orjson.dumps({**top, **request.extra})


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per frame with its new text, then one with `finish="end"` if the body is complete.

    If the server removes text again, such as a stop string, the frame has no new text. A U+FFFD at the end of a frame
    is held back until the next frame has the character.
    """
    prompt = str(request.extra.get("prompt", prompt_text(request.messages)))
    given = ""
    waiting = ""
    read = None
    for read, frame in nul_frames(reads):
        answer = _answer(frame, prompt)
        whole = answer.rstrip(_UNFINISHED)
        waiting = answer[len(whole) :]
        new, given = _beyond(given, whole)
        yield Delta(read=read, text=new)
    if read is not None:
        yield Delta(read=read, text=waiting, finish="end")


def read_body(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `prompt` as one text."""
    return prompt_body(body, "prompt", length_key="max_tokens")


def _answer(frame: bytes, prompt: str) -> str:
    """The answer so far: the first text of a frame without the prompt it starts with."""
    texts = loaded(frame).get("text")
    text = texts[0] if isinstance(texts, list) and texts else texts
    if not isinstance(text, str):
        raise WireError("a frame without text", frame)
    if not text.startswith(prompt):
        raise WireError("a frame that does not start with the prompt", frame)
    return text[len(prompt) :]


def _beyond(given: str, text: str) -> tuple[str, str]:
    """(new text in `text` after `given`, text given so far).

    If the server has changed earlier characters, the new text is what comes after the length of `given`.
    """
    if given.startswith(text):
        return "", given
    return text[len(given) :], text


DIALECTS = (
    Dialect(
        "vllm-generate",
        "/generate",
        body,
        deltas,
        template=False,
        names_model=False,
        exact_length={"ignore_eos": True},
        read_body=read_body,
    ),
)
