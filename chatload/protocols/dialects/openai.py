"""Dialects `openai` (POST /v1/chat/completions) and `openai-completions` (POST /v1/completions).

Used by vLLM of all versions, TGI since 1.4, llama.cpp, SGLang, lmdeploy, TabbyAPI, transformers serve and FastChat.
They differ: keys may be missing or null, `choices` may be empty, and `data: [DONE]` may come after every event or
never, so that it neither ends a stream nor makes it a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import sub

import orjson

from chatload.model.errors import WireError
from chatload.model.turn import Delta, TextDeltas, TurnRequest
from chatload.protocols.body_reads import reads_of
from chatload.protocols.dialect import Dialect, ForeignBody, NoPromptError
from chatload.protocols.event_data import USUAL_KEYS, loaded
from chatload.protocols.foreign_body import foreign_body, prompt_body
from chatload.protocols.framing import sse_events
from chatload.protocols.message_text import NO_CONTENT, content_of, finish_of
from chatload.protocols.prompt_text import prompt_text
from chatload.protocols.repeated_events import RepeatedEvents
from chatload.protocols.reply_so_far import ReplySoFar
from chatload.protocols.server_errors import server_error
from chatload.protocols.several_choices import SeveralChoices
from chatload.protocols.thinking_fields import REASONING_EFFORT
from chatload.protocols.usage_fields import usage_elsewhere, usage_of, usual_usage

_PLAIN = frozenset(("index", "delta", "logprobs", "finish_reason"))
"""Keys of a choice in OpenAI's own form."""
_ENDS = ("[DONE]", "", '"[DONE]"', "[done]", "DONE", "data: [DONE]")
"""Data of events that only end a stream, or are empty."""


def chat_body(request: TurnRequest) -> bytes:
    """The JSON body of POST /v1/chat/completions."""
    messages = [
        {"role": m.role, "content": m.content, **m.more} if m.more else {"role": m.role, "content": m.content}
        for m in request.messages
    ]
    return _body({"messages": messages}, request)


def completions_body(request: TurnRequest) -> bytes:
    """The JSON body of POST /v1/completions."""
    return _body({"prompt": prompt_text(request.messages)}, request)


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta | TextDeltas]:
    """One delta per event that holds JSON, including the role-only event. Reads the streams of both dialects.

    `tokens` is the number of the event's token ids (`return_token_ids` of lmdeploy and vLLM), else the increase of the
    server's running count (vLLM `continuous_usage_stats`, llama.cpp `timings_per_token`). A count that comes only at
    the end is a usage, and gives no `tokens`.
    """
    several = request.extra.get("n", 1) not in (1, None)  # then each choice has a count of its own
    choices = SeveralChoices() if several else None
    counted: int | None = None if several else 0
    repeated = RepeatedEvents(_delta)
    so_far = ReplySoFar(several=several)
    unknown = ""
    reads = reads_of(reads)
    events = sse_events(reads)
    while True:
        alike = repeated.take(reads) if reads.between else None
        if alike is not None:
            if alike.running is not None:
                alike, counted = _in_steps(alike, alike.running, counted)
            if so_far.repeats(alike):
                for one in alike.deltas():
                    yield so_far.checked(one, whole=False)
            elif not so_far.add(alike):  # the reply goes on after its finish reason
                first, *others = alike.deltas()
                yield first._replace(finish="")
                yield from others
            else:
                yield alike
            continue
        found = next(events, None)
        if found is None:
            if unknown and so_far.is_empty and not several:
                raise WireError("no event has choices, as those of this route have", unknown)
            return
        read, data = found
        if data.strip() in _ENDS:
            if data and (end := so_far.done(read)):
                yield end
            continue
        delta, whole = _event(data, read)
        if choices is not None:
            delta = choices.checked(loaded(data).get("choices"), delta)
        has_text = delta.has_text
        tokens = delta.tokens if delta.tokens or has_text else None
        if delta.usage is not None and delta.usage.completion_tokens is not None:
            total = delta.usage.completion_tokens
            if counted is not None and total >= counted:
                tokens = tokens if delta.tokens is not None else total - counted
                counted = total
            else:
                counted = None
        elif has_text:
            counted = None  # text without a running count
        elif delta.tokens == 0 and not unknown and "choices" not in loaded(data):
            unknown = data
        if has_text and not whole:
            repeated.learn(data, delta)
        yield so_far.checked(delta if tokens == delta.tokens else delta._replace(tokens=tokens), whole=whole)


def _in_steps(row: TextDeltas, running: Sequence[int], counted: int | None) -> tuple[TextDeltas, int | None]:
    """(the row with the increases of its running count as `tokens`, the count so far); without `tokens` if it fell."""
    if counted is None or running[0] < counted:
        return row, None
    return row._replace(tokens=[*map(sub, running, (counted, *running[:-1]))]), running[-1]


def read_chat(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `messages`. The last text of role user is the prompt; other messages are sent as they are."""
    messages = body.get("messages")
    if messages is None:
        return None
    messages = messages if isinstance(messages, list) else []
    users = [text for role, text in map(_message_text, messages) if role == "user"]
    if not users:
        raise NoPromptError("its messages hold none of role user")
    rest = {key: value for key, value in body.items() if key != "messages"}
    found = foreign_body(users[-1], rest, length_key="max_tokens")
    system = messages[0].get("content") if len(messages) == 2 and isinstance(messages[0], dict) else None
    plain = isinstance(system, str) and system.strip() == system != ""  # as an option's value must be
    if plain and messages[0] == {"role": "system", "content": system}:
        found.system, messages = str(system), messages[1:]
    if messages != [{"role": "user", "content": found.prompt}] or found.prompt.strip() != found.prompt:
        found.extra = {"messages": messages, **found.extra}
        found.notes.append(f"{len(messages)} message(s) are sent as they are, in body; reports show prompt")
    return _with_notes(found)


def read_completion(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `prompt` as one text."""
    found = prompt_body(body, "prompt", length_key="max_tokens")
    return found and _with_notes(found)


def _message_text(message: object) -> tuple[str, str]:
    """(role, text) of a message; the texts of parts are joined."""
    if not isinstance(message, dict):
        return "", ""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = " ".join(part for part in parts if isinstance(part, str))
    return str(message.get("role", "")), content if isinstance(content, str) else ""


def _with_notes(found: ForeignBody) -> ForeignBody:
    """Add notes on a missing model and on `stream_options`."""
    if not found.model:
        found.notes.append("no model in the body: the server is asked for its first one")
    options = found.extra.get("stream_options")
    if options == {"include_usage": True}:
        del found.extra["stream_options"]
    elif options is not None:
        found.notes.append("stream_options are sent as they are; the token count may be missing")
    else:
        found.notes.append(
            'usage = "on" adds stream_options to the body, for the server\'s token count; "off" leaves it out'
        )
    return found


def _event(data: str, read: int = 0) -> tuple[Delta, bool]:
    """(the delta of one event, whether its text was under `message`).

    `tokens` is the number of its token ids; 0 for an event without choices, which has no text.
    """
    event = loaded(data)
    usual = usual_delta(event, read) if event.get("choices") else usual_end(event, read)
    if usual is not None:
        return usual, False
    return full_delta(event, data, read)


def full_delta(event: dict[str, object], data: str, read: int) -> tuple[Delta, bool]:
    """`_event` for an event in any form."""
    choices = event.get("choices")
    if choices is not None and not isinstance(choices, list):
        raise WireError("choices is no list", data)
    text, reasoning, tool_text, finish, whole = content_of(choices, data) if choices else NO_CONTENT
    reply_id = event.get("id")
    name = reply_id if isinstance(reply_id, str) and reply_id else None
    tokens = _token_ids(choices) if choices else 0
    usage = usage_of(event)
    if finish or not (text or reasoning or tool_text):
        if isinstance(groq := event.get("x_groq"), dict) and groq.get("error"):
            raise server_error(groq["error"])
        finish = finish or finish_of(event.get("finish_reason"))
        if usage is None or usage.completion_tokens is None:
            usage = usage_elsewhere(event) or usage
    return Delta(read, text, reasoning, tool_text, tokens, finish, usage, name), whole


def usual_delta(event: dict[str, object], read: int) -> Delta | None:
    """The delta of an event of one choice with text, in OpenAI's own form and without counts; None for any other."""
    choices = event.get("choices")
    if type(choices) is not list or len(choices) != 1 or event.get("usage") is not None:
        return None
    choice = choices[0]
    if type(choice) is not dict or choice.get("logprobs") is not None or not choice.keys() <= _PLAIN:
        return None
    message = choice.get("delta")
    if type(message) is not dict or len(message) > 1 + ("role" in message) or not event.keys() <= USUAL_KEYS:
        return None
    text = message.get("content") if message else ""
    finish, reply_id = choice.get("finish_reason"), event.get("id")
    if type(text) is not str or type(reply_id) is not str:
        return None
    return Delta(read, text, "", "", None, finish_of(finish) if finish else None, None, reply_id or None)


def usual_end(event: dict[str, object], read: int) -> Delta | None:
    """The delta of an event with an empty list of choices, a usage and nothing else; None for any other."""
    usage, reply_id = event.get("usage"), event.get("id")
    if type(usage) is not dict or event.get("choices") != [] or not event.keys() <= USUAL_KEYS:
        return None
    counts = usual_usage(usage)
    if counts is None or type(reply_id) is not str:
        return None
    return Delta(read, "", "", "", 0, None, counts, reply_id or None)


def _delta(data: str) -> Delta:
    return _event(data)[0]


def _token_ids(choices: list[object]) -> int | None:
    """The number of token ids (lmdeploy `output_ids`, vLLM `token_ids`) or logprobs of the only choice, or None."""
    choice = choices[0]
    if not isinstance(choice, dict) or len(choices) > 1:
        return None
    ids = choice.get("output_ids", choice.get("token_ids"))
    if not ids and (logprobs := choice.get("logprobs")) and isinstance(logprobs, dict):
        ids = logprobs.get("content") or logprobs.get("refusal") or logprobs.get("tokens")
    return len(ids) if isinstance(ids, list) else None


def _body(body: dict[str, object], request: TurnRequest) -> bytes:
    if request.model:
        body["model"] = request.model
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body["stream"] = True
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.ask_usage:
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps({**body, **request.extra})


EXACT = {"ignore_eos": True}
DIALECTS = (
    Dialect(
        "openai",
        "/v1/chat/completions",
        chat_body,
        deltas,
        prompt_key="messages",
        exact_length=EXACT,
        read_body=read_chat,
        takes_counting=True,
        order=0,
        takes_more=True,
        thinking=REASONING_EFFORT,
    ),
    Dialect(
        "openai-completions",
        "/v1/completions",
        completions_body,
        deltas,
        template=False,
        exact_length=EXACT,
        read_body=read_completion,
        takes_counting=True,
        order=0,
    ),
)
