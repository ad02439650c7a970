"""The likeliest tokens beside each one: `top_tokens` of the native routes, `logprobs` of chats. They are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from simulator.replies.job import GenerationParams
from simulator.replies.stream_format import StreamFormat
from simulator.servers.tgi.wire import token_object
from simulator.text.tokens import EOS_ID, Token, make_token

OTHERS = tuple(make_token(text, 458 + at, -1.0) for at, text in enumerate((" the", " a", " an", " one")))


def top_tokens(token: Token, count: int) -> list[Token]:
    """The token and those after it, each less likely by 1."""
    others = [replace(other, logprob=token.logprob - 1.0 - at) for at, other in enumerate(OTHERS)]
    return [token, *others][:count]


def logprob_facts(token: Token, count: int) -> dict[str, Any]:
    """A token of a chat's `logprobs`; the end shows its name."""
    top = [{"token": _name(each), "logprob": each.logprob} for each in top_tokens(token, count)]
    return {"token": _name(token), "logprob": token.logprob, "top_logprobs": top}


def with_top_tokens(stream: StreamFormat, params: GenerationParams) -> StreamFormat:
    """The stream with these beside each token."""
    count = params.top_tokens or 0
    if params.endpoint == "generate":

        def native(token: Token, text: bytes) -> bytes:
            top = b",".join(token_object(each, each.json) for each in top_tokens(token, count))
            return token_object(token, text) + b',"top_tokens":[' + top + b"]"

        return replace(stream, token_object=native)

    def in_chat(token: Token, text: bytes) -> bytes:
        return orjson.dumps({"content": [logprob_facts(token, count)]})

    def shown(template: str | None) -> str:
        return (template or "").replace('"logprobs":null', '"logprobs":<tok>')

    return replace(stream, token_object=in_chat, token=shown(stream.token), last=shown(stream.last))


def _name(token: Token) -> str:
    return "</s>" if token.token_id == EOS_ID else token.text
