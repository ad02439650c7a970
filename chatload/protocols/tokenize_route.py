"""Tokenizer routes of servers: vLLM's and SGLang's, llama.cpp's, TGI's (since 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from chatload.model.errors import WireError


@dataclass(frozen=True, slots=True)
class TokenizeRoute:
    """POST `body(text, model)` to `path`; `ids(answer)` returns the ids of the text's tokens, or raises WireError.

    Tokens that begin every prompt may come first.
    """

    path: str
    body: Callable[[str, str], bytes]
    ids: Callable[[bytes], list[int]]


def _prompt_body(text: str, model: str) -> bytes:
    named = {"model": model} if model else {}
    return orjson.dumps({**named, "prompt": text, "add_special_tokens": False})


def _listed(answer: bytes) -> list[int]:
    """`{"count":3,"max_model_len":2048,"tokens":[1,2,3],"token_strs":null}`, llama.cpp `{"tokens":[1,2,3]}`."""
    content = _loaded(answer)
    return _checked(content.get("tokens") if isinstance(content, Mapping) else None, answer)


def _of_objects(answer: bytes) -> list[int]:
    """`[{"id":1,"text":"Note","start":0,"stop":4}]`."""
    content = _loaded(answer)
    items = content if isinstance(content, list) else None
    return _checked(items and [one.get("id") if isinstance(one, dict) else None for one in items], answer)


def _loaded(answer: bytes) -> object:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise WireError("no JSON", answer) from None


def _checked(ids: object, answer: bytes) -> list[int]:
    if not isinstance(ids, list) or not all(type(one) is int for one in ids):
        raise WireError("no list of token ids", answer)
    return ids


BY_PROMPT = TokenizeRoute("/tokenize", _prompt_body, _listed)
BY_CONTENT = TokenizeRoute("/tokenize", lambda text, model: orjson.dumps({"content": text}), _listed)
BY_INPUTS = TokenizeRoute("/tokenize", lambda text, model: orjson.dumps({"inputs": text}), _of_objects)
