"""Dialect `tgi`: POST /generate_stream of Text Generation Inference, 0.9.3 to 3.x.

One event is one token. The last one has `generated_text` (and `details`, which we request); there is no `[DONE]`.
Up to 2.0 the data is `data:{…}` without a space. Every error is an event of a 200 reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import orjson

from chatload.model.errors import WireError
from chatload.model.turn import Delta, TurnRequest, Usage
from chatload.protocols.dialect import Dialect, ForeignBody
from chatload.protocols.event_data import count, loaded
from chatload.protocols.foreign_body import prompt_body
from chatload.protocols.framing import sse_events
from chatload.protocols.prompt_text import prompt_text

END = "end"
"""The finish reason of a reply that ended with `generated_text` and without a reason."""


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /generate_stream.

    TGI refuses temperature 0 and top_p 1.0, so they are left out; it then decodes greedily.
    """
    parameters: dict[str, object] = {}
    if request.max_tokens is not None:
        parameters["max_new_tokens"] = request.max_tokens
    if request.temperature is not None and request.temperature > 0:
        parameters["temperature"] = request.temperature
        parameters["do_sample"] = True
    parameters["details"] = True
    top: dict[str, object] = {"inputs": prompt_text(request.messages), "parameters": parameters}
    for key, value in request.extra.items():
        if key == "parameters" and isinstance(value, dict):
            parameters.update(value)
        elif key in ("inputs", "stream"):
            top[key] = value
        else:
            parameters[key] = value
    for key, refused in (("temperature", 0), ("top_p", 1)):
        if parameters.get(key) == refused:
            del parameters[key]
    return orjson.dumps(top)


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per token; a special token (`</s>`) counts but has no text."""
    for read, data in sse_events(reads):
        if data.strip() in ("[DONE]", ""):
            continue
        event = loaded(data)
        token = event.get("token")
        text = ""
        if isinstance(token, dict):
            text = token.get("text") or ""
            if not isinstance(text, str):
                raise WireError("token.text is no text", data)
            if token.get("special"):
                text = ""
        finish, usage = _end(event)
        if token is None and finish is None:
            raise WireError("an event with neither token nor generated_text", data)
        yield Delta(read=read, text=text, tokens=0 if token is None else 1, finish=finish, usage=usage)


def read_body(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `inputs`; its `parameters` may hold the rest. POST /generate_stream always streams."""
    flat = {**body}
    parameters = flat.pop("parameters", None)
    if isinstance(parameters, dict):
        flat |= parameters
    return prompt_body(flat, "inputs", length_key="max_new_tokens", streams=True)


def _end(event: dict[str, object]) -> tuple[str | None, Usage | None]:
    """(finish, usage) of the last event, which has `generated_text`, for others None; its `details` may be null."""
    if event.get("generated_text") is None:
        return None, None
    details = event.get("details")
    if not isinstance(details, dict):
        return END, None
    usage = Usage(
        completion_tokens=count(details.get("generated_tokens")),
        prompt_tokens=count(details.get("input_length")),
    )
    return str(details.get("finish_reason") or END), usage


# TGI has no ignore_eos: max_new_tokens is a limit, not the length.
DIALECTS = (
    Dialect(
        "tgi",
        "/generate_stream",
        body,
        deltas,
        one_token_per_event=True,
        option="tgi-native",
        prompt_key="inputs",
        template=False,
        names_model=False,
        read_body=read_body,
        whole_reply_path="/generate",
    ),
)
