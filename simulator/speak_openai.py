"""What the OpenAI-like families share: reading a chat or completion body into an Ask."""

from __future__ import annotations

import json
from typing import Any

import orjson

from simulator.job import Ask
from simulator.prompts_read import chat_texts
from simulator.speak import message_text, stop_strings
from simulator.words import token_texts

Body = dict[str, Any]


def load(body: bytes) -> Any:
    """The JSON of a body; ValueError (json.JSONDecodeError) as Python's json words it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _without_surrogates(json.loads(body.decode("utf-8", "replace")))


def _without_surrogates(value: Any) -> Any:
    """Python's json takes a lone half of a surrogate pair, which no UTF-8 can carry: "?" instead."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value


def chat_ask(body: Body, ahead: tuple[int, int], max_tokens: int) -> Ask:
    """A chat request; the caller has checked the types it cares for."""
    messages = body.get("messages")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    pairs = [
        (str(message.get("role", "user")), message_text(message.get("content")))
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict)
    ]
    ask = _ask("chat", body, "\n".join(text for _, text in pairs), max_tokens)
    ask.prompt_texts = chat_texts(pairs, ahead)
    ask.prompt_tokens = len(ask.prompt_texts)
    return ask


def completion_ask(body: Body, max_tokens: int) -> Ask:
    """A text completion; a list of token ids counts its length."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(each, int) for each in prompt):
        ask = _ask("completion", body, "", max_tokens)
        ask.prompt_texts = [str(each) for each in prompt]
    else:
        if isinstance(prompt, list):
            prompt = prompt[0] if prompt and isinstance(prompt[0], str) else ""
        ask = _ask("completion", body, str(prompt), max_tokens)
        ask.prompt_texts = token_texts(ask.prompt)
    ask.prompt_tokens = max(1, len(ask.prompt_texts))
    return ask


def _ask(endpoint: str, body: Body, prompt: str, max_tokens: int) -> Ask:
    options = body.get("stream_options")
    options = options if isinstance(options, dict) else {}
    usage = bool(options.get("include_usage"))
    wanted = whole_number(body.get("max_completion_tokens"))
    if wanted is None:
        wanted = whole_number(body.get("max_tokens"))
    return Ask(
        endpoint=endpoint,
        prompt=prompt,
        model=str(body.get("model") or ""),
        stream=bool(body.get("stream")),
        max_tokens=wanted if wanted is not None else max_tokens,
        ignore_eos=bool(body.get("ignore_eos")),
        min_tokens=max(0, whole_number(body.get("min_tokens")) or 0),
        stops=stop_strings(body.get("stop")),
        include_usage=usage,
        continuous_usage=usage and bool(options.get("continuous_usage_stats")),
        return_token_ids=bool(body.get("return_token_ids")),
    )


def whole_number(value: object) -> int | None:
    """A whole number, also one written as text or as 3.0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None
