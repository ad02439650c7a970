"""Shared by the OpenAI-like families: reads chat and completion bodies, and writes answers that do not stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import orjson

from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import compact
from simulator.text.image import image_texts
from simulator.text.prompt import chat_prompt
from simulator.text.tokens import token_texts

Body = dict[str, Any]


def load(body: bytes) -> Any:
    """The JSON of a body; ValueError (json.JSONDecodeError) as Python's json words it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _without_surrogates(json.loads(body.decode("utf-8", "replace")))


def _without_surrogates(value: Any) -> Any:
    """Python's json accepts half of a surrogate pair, which UTF-8 cannot encode: "?" instead."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value


def chat_params(body: Body, template_tokens: tuple[int, int], max_tokens: int) -> GenerationParams:
    """A chat request; what the caller has not checked and does not fit is ignored."""
    messages = body.get("messages")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    said = [
        message for message in (messages if isinstance(messages, list) else []) if isinstance(message, dict)
    ]
    prompt = "\n".join(message_text(message.get("content")) for message in said)
    params = _params("chat", body, prompt, max_tokens)
    texts: list[tuple[str, list[str]]] = []
    for message in said:
        images = [image_texts(url) for url in _image_urls(message.get("content"))]
        params.images += len(images)
        params.image_tokens += sum(map(len, images))
        words = token_texts(message_text(message.get("content")) + _calls_text(message.get("tool_calls")))
        texts.append((str(message.get("role", "user")), [*chain(*images), *words]))
    params.prompt_texts = chat_prompt(texts, template_tokens)
    params.prompt_tokens = len(params.prompt_texts)
    _read_thinking(params, body)
    return params


def _image_urls(content: object) -> list[str]:
    """The URLs of the image parts of a message."""
    parts = content if isinstance(content, list) else []
    found = [part.get("image_url") for part in parts if isinstance(part, dict)]
    urls = [one.get("url") if isinstance(one, dict) else one for one in found]
    return [url for url in urls if isinstance(url, str)]


def _calls_text(calls: object) -> str:
    """Names and arguments of the tool calls of a message, as the chat template writes them into the prompt."""
    functions = (
        [one.get("function") for one in calls if isinstance(one, dict)] if isinstance(calls, list) else []
    )
    return " ".join(f"{one.get('name')} {one.get('arguments')}" for one in functions if isinstance(one, dict))


def _read_thinking(params: GenerationParams, body: Body) -> None:
    """Whether the model reasons, and its most tokens of it."""
    template = body.get("chat_template_kwargs")
    template = template if isinstance(template, dict) else {}
    params.thinks = body.get("reasoning_effort") != "none" and template.get("enable_thinking") is not False
    for name in ("thinking_token_budget", "thinking_budget_tokens"):
        budget = whole_number(body.get(name))
        params.thinking_budget = params.thinking_budget if budget is None or budget < 0 else budget


def completion_params(body: Body, max_tokens: int) -> GenerationParams:
    """A text completion; a list of token ids counts its length."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(each, int) for each in prompt):
        params = _params("completion", body, "", max_tokens)
        params.prompt_texts = [str(each) for each in prompt]
    else:
        if isinstance(prompt, list):
            prompt = prompt[0] if prompt and isinstance(prompt[0], str) else ""
        params = _params("completion", body, str(prompt), max_tokens)
        params.prompt_texts = token_texts(params.prompt)
    params.prompt_tokens = max(1, len(params.prompt_texts))
    return params


def openai_answer(reply: Reply, count: int, choice_end: Mapping[str, Any], usage: Mapping[str, int]) -> bytes:
    """The answer to a request that does not stream; `choice_end` stands after the text."""
    job, chat = reply.job, reply.job.params.endpoint == "chat"
    text = job.answer.text(count)
    message = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return compact(
        {
            "id": job.reply_id,
            "object": "chat.completion" if chat else "text_completion",
            "created": job.created,
            "model": job.params.model,
            "choices": [{"index": 0, **message, **choice_end}],
            "usage": usage,
        }
    )


def _params(endpoint: str, body: Body, prompt: str, max_tokens: int) -> GenerationParams:
    options = body.get("stream_options")
    options = options if isinstance(options, dict) else {}
    usage = bool(options.get("include_usage"))
    wanted = whole_number(body.get("max_completion_tokens"))
    if wanted is None:
        wanted = whole_number(body.get("max_tokens"))
    return GenerationParams(
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
        greedy=body.get("temperature") == 0,
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


def is_int(value: Any) -> bool:
    """An int that is no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def message_text(content: object) -> str:
    """The text of a message: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def stop_strings(value: object) -> tuple[str, ...]:
    """`stop` as a tuple; empty strings are dropped."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list):
        return tuple(each for each in value if isinstance(each, str) and each)
    return ()
