"""Dialect `vllm-generate`: POST /generate of vLLM 0.1.2's own api_server.

Each frame is `{"text": ["<prompt><answer so far>"]}` and a NUL byte. No finish reason, no counts, no final
mark: the end of the HTTP body is the end of the reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from chatload.model.errors import WireError
from chatload.model.turn import Delta, TurnRequest
from chatload.protocols.dialect import Dialect, ForeignBody
from chatload.protocols.event_data import loaded
from chatload.protocols.foreign_body import prompt_body
from chatload.protocols.framing import nul_frames
from chatload.protocols.prompt_text import prompt_text

_UNFINISHED = "�"  # stands where the bytes of a character are not all there yet; replaced in a later frame


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /generate; no model in it, as every other key must be a sampling parameter."""
    top: dict[str, Any] = {"prompt": prompt_text(request.messages), "stream": True}
    if request.max_tokens is not None:
        top["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        top["temperature"] = request.temperature
    return orjson.dumps({**top, **request.extra})


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per frame with the text that is new in it, then `finish="end"` if the body ended tidily.

    Text that was handed out cannot be withdrawn: when the server cuts a stop string off again, the frame
    brings no text. A U+FFFD at the end of a frame waits for the character it stands for.
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


def read_body(body: Mapping[str, Any]) -> ForeignBody | None:
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
    """(what is new in `text` after `given` was handed out, what counts as handed out now).

    Where the server changed its mind about earlier characters, new is what lies beyond their number.
    """
    if given.startswith(text):
        return "", given
    return text[len(given) :], text


DIALECTS = (
    Dialect(
        "vllm-generate", "/generate", body, deltas, exact_length={"ignore_eos": True}, read_body=read_body
    ),
)
