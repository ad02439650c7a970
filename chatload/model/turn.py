"""The facts every floor shares: what a turn asks, what its reply brought, and what became of it.

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
    """One line of a conversation; `role` is "system", "user", "assistant" or "tool".

    `more` are fields beyond role and text in the words of OpenAI's Chat Completions, which dialects that take them
    (`Dialect.takes_more`) write in their own: `tool_calls`, `tool_call_id`, or `content` in parts, of which `content`
    here has the text. Any: an own scenario's JSON.
    """

    role: str
    content: str
    more: Mapping[str, Any] = {}


class ToolCall(NamedTuple):
    """A call of a tool that the model asks for; `arguments` is JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


class TurnRequest(msgspec.Struct, frozen=True):
    """What one turn asks of the server, before a dialect writes it down as bytes.

    `max_tokens` and `temperature` may be None: the key is then left out of the body.
    `ask_usage` asks for the server's own token count where the dialect has a way to ask.
    `extra` is merged into the body last (`--body`), so it wins over everything else.
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
    """The server's own count of tokens for one turn; None where it did not say.

    `total_tokens` is kept where it is not the sum of prompt and completion.
    `reasoning_tokens` are those of the model's reasoning, shown or not; `rejected_tokens` were billed and never part
    of the reply (rejected predictions, audio).
    `queue_ms` and `prefill_ms` are how long the request waited in the server's queue, and its first token from there.
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
    """What one event of a reply brought. No clock: `read` points at the read that completed it.

    `tokens` is the number of tokens in this very event, only where the server tells it per event
    (TGI native: 1; vLLM `continuous_usage_stats`: the step of its running count).
    `finish` is the server's finish reason in the words of OpenAI's chat ("stop", "length", "tool_calls") where it means
    one of these, else its own ("abort", …); "" takes one before back, as text came after it.
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
        """True when the event brought something a reader can see: content, reasoning or tool call."""
        return bool(self.text or self.reasoning or self.tool_text)


class TextDeltas(NamedTuple):
    """Deltas that brought a text each and nothing else, one a read: `texts[i]` came with read `read + i`.

    `tokens` are their counts, where the server tells them. `usage` is the last one's, where each has one that differs
    in the completion tokens only; `running` are those.
    """

    read: int
    texts: Sequence[str]
    reasoning: bool
    reply_id: str | None
    tokens: Sequence[int] | None = None
    running: Sequence[int] | None = None
    usage: Usage | None = None

    def part(self, start: int, end: int) -> TextDeltas:
        """Those from `start` to before `end`; `usage` stays the last one's, `running` tells that of each."""
        tokens, running = self.tokens and self.tokens[start:end], self.running and self.running[start:end]
        return self._replace(
            read=self.read + start, texts=self.texts[start:end], tokens=tokens, running=running
        )

    def deltas(self) -> list[Delta]:
        """They one by one."""
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
    """One finished turn: every instant apart, raw, as the journal keeps it (docs/record-format.md).

    A turn is a line of the journal: fields that hold their default are left out of it, those with `always` never.

    An instant that never came is None. `gaps_us` are the times between consecutive token-bearing
    events, so that `first_token_ns + sum(gaps_us) * 1000 == last_token_ns` within rounding.
    `first_token_after_ns` is set where other events share the first token's stamp, or a user-space stamp is late: it
    came at some time between the two. `last_token_after_ns` likewise, for a late user-space stamp.
    `group` names a part of the run, such as a level of a sweep; `name` what the scenario calls the turn: user class,
    model and its own name, those that tell turns apart, with "/" between them.
    `tokens` are those that a reader could see arrive; `usage_tokens` is the server's usage where it told another
    number, and `usage_doubt` why that was not used (model/token_sources.py).
    `first_read_tokens` are those that came with the first token's read, where that is more than the first event.
    `prompt_characters` are those of all messages, `system_characters` of the system message among them.
    `address` is the IP address that was asked, where the server's name has several.
    `asked_prompt_tokens` and `asked_tokens` are the lengths of prompt and answer that the scenario asked for: of the
    whole prompt where it is a conversation's first, else of what it adds to the turn before and its answer.
    `max_tokens` is that of the request, where the reply has more tokens by an exact count.
    `not_held`: the conversation ended at this turn, as it no longer fits the context: so many planned turns, this one
    among them, were not held, and count nowhere. `trimmed`: so many of its oldest exchanges were not sent any more.
    `context_given` and `context_limit` are the tokens that a prompt which does not fit came to, and those allowed.
    `refusals`: how often the server took no more and was asked again, after pauses of `waited_ms` in all.
    `shown_end` is the end token that its text ends with, where the server sends it as text.
    `echo`: whose reference the reply held under --echo-check; "" without it.
    `warmup`: one of the first turns of a run, which count in no figure.
    `server_queue_ms` and `server_prefill_ms` are the server's own word on this very request (vLLM, llama.cpp).
    `tail_tokens` are tokens the server counted after the last event with text: the end-of-sequence token.
    `reasoning_tokens` are those before the answer, shown or only told by usage, `reasoning_source` how they are known
    (engine/reasoning_count.py); None where a reply did not reason, or nobody knows. `first_answer_tokens` came with
    the first event of the answer after it.
    `images` are those in all messages of the request, `image_bytes` the size of their files, as far as it is known.
    On the answer to a question with tools, `tool_rounds` is how often the model called some before, and `question_ns`
    when the question was sent.
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
        """Tokens that the server made by its own count, seen or not; those that were seen where that is doubted."""
        return self.tokens if self.usage_tokens is None or self.usage_doubt else self.usage_tokens

    @property
    def held(self) -> bool | None:
        """Whether something held the reply back and let it go in bursts; None where that cannot be told."""
        return held(self)

    @property
    def longest_gap_us(self) -> int | None:
        """The longest of its gaps; None where it has none."""
        return max(self.gaps_us, default=None)

    @property
    def counts(self) -> bool:
        """True for a good or failed turn; one that we cut short ourselves, or that was not held, is neither."""
        return self.ok or not (self.code in NO_FAILURES or self.not_held)

    @property
    def failed(self) -> bool:
        """True for a failed turn."""
        return not self.ok and self.counts

    @property
    def failure_code(self) -> str:
        """The code a failed turn is counted under."""
        return self.code or "unknown"
