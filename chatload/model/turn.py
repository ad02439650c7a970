"""Types that every layer uses: messages of a request, deltas of a reply, and the finished turn.

A *user* holds a *conversation* of *turns*; a turn is one request. Its reply arrives as *reads*
(bytes with a stamp), which are framed into *events* and decoded into *deltas*.
All instants are ns of one monotonic clock (`chatload.engine.clock.now_ns`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from chatload.model.errors import NO_FAILURES
from chatload.model.held_stream import held
from chatload.model.structs import always


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation; `role` is "system", "user", "assistant" or "tool".

    `more` holds further fields in the form of OpenAI's Chat Completions, which dialects with `Dialect.takes_more`
    convert to their own: `tool_calls`, `tool_call_id`, or `content` in parts, whose text is in `content` here.
    Any: JSON of a custom scenario.
    """

    role: str
    content: str
    more: Mapping[str, Any] = {}


class ToolCall(NamedTuple):
    """A tool call by the model; `arguments` is the JSON text that the model wrote, not validated."""

    id: str
    name: str
    arguments: str


class TurnRequest(msgspec.Struct, frozen=True):
    """The content of one turn's request, independent of the dialect.

    `max_tokens` and `temperature` may be None: the key is then left out of the body.
    `ask_usage` requests the server's own token count where the dialect has a field for it.
    `extra` is merged into the body last (`--body`), so it overrides everything else.
    `asked_prompt_tokens` and `asked_tokens` are lengths that the scenario asked for, for the journal.
    `images` and `image_bytes` are of all messages, for the journal.
    """

    messages: tuple[Message, ...]
    model: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    ask_usage: bool = True
    extra: Mapping[str, object] = msgspec.field(default_factory=dict)
    asked_prompt_tokens: int | None = None
    asked_tokens: int | None = None
    images: int = 0
    image_bytes: int = 0


class Usage(msgspec.Struct, frozen=True):
    """The server's own token counts for one turn; None where it did not report one.

    `total_tokens` is set only where it is not the sum of prompt and completion.
    `reasoning_tokens` are those of the model's reasoning, shown or not; `rejected_tokens` are billed and not part of
    the reply (rejected predictions, audio).
    `queue_ms` is the request's time in the server's queue, `prefill_ms` the time from there to its first token.
    """

    completion_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_tokens: int | None = None
    queue_ms: float | None = None
    prefill_ms: float | None = None


class Delta(NamedTuple):
    """The content of one event of a reply. `read` is the index of the read that completed it, which has the time.

    `tokens` is the number of tokens in this event, only where the server counts per event
    (TGI native: 1; vLLM `continuous_usage_stats`: the increase of its running count).
    `finish` is the finish reason in OpenAI's terms ("stop", "length", "tool_calls") where the server's means the same,
    else the server's own ("abort", …); "" revokes an earlier one, because text came after it.
    """

    read: int
    text: str = ""
    reasoning: str = ""
    tool_text: str = ""
    tokens: int | None = None
    finish: str | None = None
    usage: Usage | None = None
    reply_id: str | None = None

    @property
    def has_text(self) -> bool:
        """True when the event has content, reasoning or tool call text."""
        return bool(self.text or self.reasoning or self.tool_text)


class TextDeltas(NamedTuple):
    """Several deltas in one object: each has text only, and comes from its own read. `texts[i]` is of read `read + i`.

    `tokens` are their token counts, where the server reports them. Where each has a usage, and these differ only in
    `completion_tokens`, `usage` is the last one's and `running` holds the `completion_tokens` of each.
    """

    read: int
    texts: Sequence[str]
    reasoning: bool
    reply_id: str | None
    tokens: Sequence[int] | None = None
    running: Sequence[int] | None = None
    usage: Usage | None = None

    def part(self, start: int, end: int) -> TextDeltas:
        """The deltas from `start` to before `end`; `usage` stays the last one's of the whole."""
        tokens, running = self.tokens and self.tokens[start:end], self.running and self.running[start:end]
        return self._replace(
            read=self.read + start, texts=self.texts[start:end], tokens=tokens, running=running
        )

    def deltas(self) -> list[Delta]:
        """The deltas as separate objects."""
        found = [
            Delta(self.read + i, "", text, reply_id=self.reply_id)
            if self.reasoning
            else Delta(self.read + i, text, reply_id=self.reply_id)
            for i, text in enumerate(self.texts)
        ]
        if self.tokens is not None:
            found = [one._replace(tokens=n) for one, n in zip(found, self.tokens, strict=True)]
        if self.running is not None and self.usage is not None:
            usages = [msgspec.structs.replace(self.usage, completion_tokens=n) for n in self.running]
            found = [one._replace(usage=usage) for one, usage in zip(found, usages, strict=True)]
        return found


class Turn(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="turn", gc=False
):
    """One finished turn, as the journal keeps it: raw instants and counts (docs/record-format.md).

    The journal leaves out fields that equal their default, except those declared with `always`.

    An instant that did not occur is None. `gaps_us` are the times between consecutive token-bearing
    events, so that `first_token_ns + sum(gaps_us) * 1000 == last_token_ns` within rounding.
    `first_token_after_ns` is set where other events share the first token's stamp, or a user-space stamp is late: the
    token arrived at some time between the two. `last_token_after_ns` likewise, for a late user-space stamp.
    `group` names a part of the run, such as a level of a sweep. `name` joins, with "/", user class, model and the
    scenario's own name of the turn, as far as these differ between turns.
    `tokens` counts those that a reader could see arrive; `usage_tokens` is the server's usage where that is another
    number, and `usage_doubt` why it was not used (model/token_sources.py).
    `first_read_tokens` came in the same read as the first token, where these are more than the first event's.
    `prompt_characters` are those of all messages, `system_characters` those of the system message.
    `address` is the server's IP address, where its name has several.
    `asked_prompt_tokens` and `asked_tokens` are the lengths of prompt and answer that the scenario asked for: of the
    whole prompt at a conversation's first turn, later of what a turn adds to the previous turn and its answer.
    `max_tokens` is the request's, set only where the reply has more tokens by an exact count.
    `not_held`: the conversation ended here because it no longer fits the context, so that this many planned turns,
    including this one, were not held; they count nowhere. `trimmed`: how many oldest exchanges were left out.
    `context_given` and `context_limit` are the tokens of a prompt that does not fit, and the tokens allowed.
    `refusals`: how often the server refused because of load and was asked again, after pauses of `waited_ms` in all.
    `shown_end` is the end-of-turn token at the end of the text, where the server sends it as text.
    `echo`: whose reference the reply held under --echo-check; "" without it.
    `warmup`: one of the first turns of a run, which count in no figure.
    `server_queue_ms` and `server_prefill_ms` are the server's own numbers for this request (vLLM, llama.cpp).
    `tail_tokens` are tokens the server counted after the last event with text: the end-of-sequence token.
    `reasoning_tokens` are those before the answer, shown or only reported by usage, `reasoning_source` how they were
    counted (engine/reasoning_count.py); None for a reply without reasoning, or where unknown. `first_answer_tokens` are
    those of the answer's first event after reasoning.
    `images` counts the images in all messages of the request, `image_bytes` is their size as far as known.
    On the answer to a question with tools, `tool_rounds` is the number of rounds of tool calls before it, and
    `question_ns` when the question was sent.
    """

    turn_id: str
    request_id: str
    user: int
    turn: int
    group: str = ""
    name: str = ""
    worker: str = "local"
    reply_id: str | None = always(None)
    due_ns: int
    sent_ns: int | None = always(None)
    connected_ns: int | None = None
    headers_ns: int | None = None
    first_byte_ns: int | None = always(None)
    first_event_ns: int | None = None
    first_token_ns: int | None = always(None)
    first_token_after_ns: int | None = None
    first_answer_ns: int | None = None
    last_token_ns: int | None = always(None)
    last_token_after_ns: int | None = None
    end_ns: int
    connect_ms: float | None = None
    tls_ms: float | None = None
    new_connection: bool = False
    address: str = ""
    retried: bool = False
    refusals: int = 0
    waited_ms: float | None = None
    tokens: int | None = always(None)
    token_source: str = always("none")
    usage_tokens: int | None = None
    usage_doubt: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    server_queue_ms: float | None = None
    server_prefill_ms: float | None = None
    events: int = 0
    first_event_tokens: int | None = None
    first_event_source: str = "none"
    first_read_tokens: int | None = None
    tail_tokens: int = 0
    asked_prompt_tokens: int | None = None
    asked_tokens: int | None = None
    max_tokens: int | None = None
    reasoning_tokens: int | None = None
    reasoning_source: str = ""
    first_answer_tokens: int | None = None
    gaps_us: tuple[int, ...] = ()
    event_tokens: tuple[int, ...] | None = None
    reads: int = 0
    coalesced: int = 0
    bytes: int = 0
    sent_bytes: int = 0
    characters: int = 0
    shown_end: str = ""
    stamp_source: str = "user"
    ok: bool = always(False)
    code: str | None = always(None)
    detail: str | None = None
    status: int | None = None
    finish: str | None = None
    marks: tuple[str, ...] = ()
    warmup: bool = False
    not_held: int = 0
    trimmed: int = 0
    context_given: int | None = None
    context_limit: int | None = None
    echo: Literal["", "own", "none", "other"] = ""
    images: int = 0
    image_bytes: int = 0
    tool_rounds: int | None = None
    question_ns: int | None = None
    prompt_characters: int = 0
    system_characters: int = 0
    prompt: str | None = None
    text: str | None = None

    @property
    def billed_tokens(self) -> int | None:
        """Tokens generated by the server's own count, visible or not; `tokens` where that count is doubted."""
        return self.tokens if self.usage_tokens is None or self.usage_doubt else self.usage_tokens

    @property
    def held(self) -> bool | None:
        """Whether a proxy held the reply back and released it in bursts; None where it has too few events."""
        return held(self)

    @property
    def longest_gap_us(self) -> int | None:
        """The longest gap; None if there is none."""
        return max(self.gaps_us, default=None)

    @property
    def counts(self) -> bool:
        """True for a good or failed turn; False for one that we cut short ourselves, or that was not held."""
        return self.ok or not (self.code in NO_FAILURES or self.not_held)

    @property
    def failed(self) -> bool:
        """True for a failed turn."""
        return not self.ok and self.counts

    @property
    def failure_code(self) -> str:
        """The code a failed turn is counted under."""
        return self.code or "unknown"
