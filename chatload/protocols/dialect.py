"""Defines a dialect: the wire form of one API. Each file in dialects/ lists its own in `DIALECTS` (registry.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chatload.model.turn import Delta, TextDeltas, ToolCall, TurnRequest
from chatload.protocols.thinking_fields import ThinkingForms
from chatload.protocols.tool_calls import tool_calls_of


class NoPromptError(Exception):
    """A JSON body without a prompt for a language model; the message says why."""


@dataclass(slots=True)
class ForeignBody:
    """The JSON body of another tool's request, in our terms.

    `extra` holds the fields without a counterpart here, which are sent as they are. `streams`: the body asks for a
    stream. `notes` are sentences on what is sent differently. `system` is the system message before the prompt.
    """

    prompt: str
    max_tokens: int | None
    temperature: float | None
    streams: bool
    model: str = ""
    extra: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    system: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire form: `body` writes a request, `deltas` reads the reply to it.

    `body(request)` is the JSON body of a POST to `path`.
    `deltas(reads, request)` reads `reads`, the pieces of the HTTP body without chunking, pulled one by one: a delta is
    yielded before the next read is requested. Several text-only deltas of reads that have already arrived may be
    yielded as one TextDeltas. Raises WireError for invalid bytes, ServerError for an error event, TurnError "truncated"
    for a body that ends inside an event. It does not judge success (no error, a `finish`, a complete HTTP message) and
    has no clock: `Delta.read` is the index of the read whose arrival time counts.
    `one_token_per_event`: every delta is exactly one token.
    `option`: the choice of --server that always means this dialect, where that is not its name.
    `prompt_key`: the field of the body that holds the prompt or the messages.
    `template`: the server applies the model's chat template to messages; otherwise prompt_text.py writes the prompt.
    `exact_length`: fields of the body that make max_tokens the length of the answer; empty where there are none.
    `read_body(body)` reads the JSON body of another tool's request; None if it is of another dialect. Raises
    NoPromptError.
    `names_model`: requests name the model.
    `takes_more`: requests can contain `Message.more`: parts such as images, tool calls and their results.
    `tool_calls(body)` returns the tool calls in the body of a reply.
    `thinking`: request fields for how much the model reasons (thinking_fields.py); empty where there are none.
    `whole_reply_path`: the same server's route for replies that are not streamed.
    `headers`: further headers of every request.
    `needs_max_tokens`: the server refuses a request without a limit.
    `takes_counting`: requests can contain the fields of `ServerKind.counting`.
    `order`: if several dialects can read a body, the one with the lowest order is used.
    """

    name: str
    path: str
    body: Callable[[TurnRequest], bytes]
    deltas: Callable[[Iterable[bytes], TurnRequest], Iterator[Delta | TextDeltas]]
    one_token_per_event: bool = False
    option: str = ""
    prompt_key: str = "prompt"
    template: bool = True
    names_model: bool = True
    exact_length: Mapping[str, object] = field(default_factory=dict)
    read_body: Callable[[Mapping[str, object]], ForeignBody | None] = lambda body: None
    whole_reply_path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    needs_max_tokens: bool = False
    takes_counting: bool = False
    order: int = 10
    takes_more: bool = False
    tool_calls: Callable[[Iterable[bytes]], tuple[ToolCall, ...]] = tool_calls_of
    thinking: ThinkingForms = field(default_factory=dict)
