"""The dialects there are, the names users may type for them, and how a server is recognised.

A dialect is two functions. `body(request) -> bytes` writes a turn down as the JSON body of a POST to `path`.
`deltas(reads, request)` reads the reply: `reads` are the pieces of the HTTP body without chunking, pulled
lazily, so a delta is handed out before the next read is asked for; several that are all text, and in reads
that are here already, may come as one TextDeltas. It raises WireError for
bytes that do not fit, ServerError for an error event, TurnError "truncated" for a body that ends inside an
event. It never decides success: no exception and a `finish` seen and a complete HTTP message is the caller's
sum. There is no clock in it; `Delta.read` says which read to take the stamp of.

A new server: one file here, one line in DIALECTS (and its names in SERVERS), one case file in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chatload.model.turn import Delta, TextDeltas, TurnRequest
from chatload.protocols import openai, tgi, vllm_generate
from chatload.protocols.detect import PROBE_PATHS, Found, recognise, speaks

__all__ = ["DIALECTS", "PROBE_PATHS", "SERVERS", "Dialect", "Found", "recognise", "speaks"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's wire form. `one_token_per_event`: every delta stands for exactly one token."""

    name: str
    path: str
    body: Callable[[TurnRequest], bytes]
    deltas: Callable[[Iterable[bytes], TurnRequest], Iterator[Delta | TextDeltas]]
    one_token_per_event: bool = False


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("openai", "/v1/chat/completions", openai.chat_body, openai.deltas),
        Dialect("openai-completions", "/v1/completions", openai.completions_body, openai.deltas),
        Dialect("tgi", "/generate_stream", tgi.body, tgi.deltas, one_token_per_event=True),
        Dialect("vllm-generate", "/generate", vllm_generate.body, vllm_generate.deltas),
    )
}

SERVERS: dict[str, str] = {
    "vllm": "openai",
    "vllm-completions": "openai-completions",
    "vllm-generate": "vllm-generate",
    "tgi": "tgi",
    "tgi-chat": "openai",
    "llamacpp": "openai",
    "llama.cpp": "openai",
    "sglang": "openai",
    "lmdeploy": "openai",
    "tabbyapi": "openai",
    "exllama": "openai",
    "transformers": "openai",
    "fastchat": "openai",
    "openai": "openai",
    "openai-completions": "openai-completions",
}
