"""Which differences cannot go away, or are left, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a difference stays: `case` and `difference` are patterns that are searched for."""

    case: str
    difference: str
    words: str


MADE_UP_LENGTH = "how long an answer is that nothing limits is made up, there as here"
TGI: tuple[Explanation, ...] = (
    Explanation("abort", "^end:|genuine None", "the recorder hung up in the middle"),
    Explanation("seed_jmeter", "finish_reason", MADE_UP_LENGTH),
    Explanation("keepalive", "^item", "their model stalled after its first call, ours after the third token"),
    Explanation("total", "_tokens", MADE_UP_LENGTH),
    Explanation("_stop$", "_tokens", "their tokens of the stop string are other ones than ours"),
    Explanation("shard_dies", "transport error", "ours has no model process that could die"),
    Explanation("too_long", "Given|^head|^framing", "6,002 tokens by their tokenizer, half as many by ours"),
)
OTHERS: tuple[Explanation, ...] = (
    Explanation(
        "abort|no_max_tokens", "^end:|genuine None|finish_reason", "the recorder hung up in the middle"
    ),
    Explanation("seed_jmeter", "finish_reason", MADE_UP_LENGTH),
    Explanation(
        "multiturn|short_eos|chat_stream_unicode$|chat_stream_stop$|chat_nonstream$|_eos$",
        "finish_reason",
        "where the model ends, or writes a stop string, depends on the model",
    ),
    Explanation(
        "get_metrics", "^item", "a page has no metrics of Python, of HTTP and of what is not simulated"
    ),
    Explanation("get_metrics", "Process-Start-Time", "a number of the process"),
    Explanation("get_docs_root|options_cors", "", "a page for people, and what a browser asks"),
    Explanation("get_props|get_slots|models", "^item", "facts of a model file that no client here reads"),
    Explanation("logprobs", "^item", "log-probabilities are not simulated"),
    Explanation("_n2$", "^item", "n > 1 is not simulated"),
    Explanation("responses_stream|native_completion", "", "the route is not simulated"),
    Explanation(
        "loaded24", "^item", "how many tokens an event has depends on the other streams, which are not there"
    ),
    Explanation(
        "chat_stream_stop$", "completion_tokens", "where the model writes a stop string depends on it"
    ),
    Explanation(
        "http10", "Keep-Alive|Connection", "llama.cpp tells it HTTP/1.0 clients, too, and closes all the same"
    ),
    Explanation("stream_timings", "^item", "timings_per_token is not simulated"),
    Explanation("unicode_cut", "^item", "their only token was half a character"),
    Explanation("^kill-engine", "^item 1 ", "theirs died before its first event"),
)
"""Of vLLM, lmdeploy and llama.cpp."""
