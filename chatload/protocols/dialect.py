"""What a dialect is: one server's wire form. Each file of dialects/ names its own in `DIALECTS` (registry.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chatload.model.turn import Delta, TextDeltas, ToolCall, TurnRequest
from chatload.protocols.thinking_fields import ThinkingForms
from chatload.protocols.tool_calls import tool_calls_of


class NoPromptError(Exception):
    """A JSON body that asks no language model anything; the text says why."""


@dataclass(slots=True)
class ForeignBody:
    """What another tool's JSON body asks, in our terms.

    `extra` are the fields that have no counterpart here; they are sent as they are. `streams`: the body asks for a
    stream. `notes` say what is sent in another way. `system` is the system message before the prompt.
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
    handed out before the next read is asked for. Several that are all text, in reads that are here already, may come
    as one TextDeltas. Raises WireError for bytes that do not fit, ServerError for an error event, TurnError
    "truncated" for a body that ends inside an event. It does not judge success (no error, a `finish`, a complete HTTP
    message) and has no clock: `Delta.read` is the index of the read whose arrival time counts.
    `one_token_per_event`: every delta is exactly one token.
    `option`: the choice of --server that always means it, where that is not its name.
    `prompt_key`: the field of the body that holds the prompt or the messages.
    `template`: the server puts messages into the model's chat template; else prompt_text.py writes the prompt.
    `exact_length`: fields of the body that make max_tokens the length of the answer; empty where the server has none.
    `read_body(body)` reads the JSON body of another tool's request; None where it is not of this dialect. Raises
    NoPromptError.
    `names_model`: its requests name the model.
    `takes_more`: it writes `Message.more`: parts such as images, tool calls and their results. `tool_calls(body)` are
    the calls in the body of a reply.
    `thinking` are the forms of how much is reasoned (thinking_fields.py); empty where the dialect has none.
    `whole_reply_path`: the same server's route for replies that are not streamed.
    `headers`: those that every request of it has, beside the usual ones.
    `needs_max_tokens`: it refuses a request without a limit.
    `takes_counting`: `ServerKind.counting` are fields of its requests.
    `order`: of several that can read a body, the one with the lowest is meant.
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
