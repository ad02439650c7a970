"""What one request of a benchmark asks: a text, and how long the answer should be."""

from __future__ import annotations

import msgspec


class SampledPrompt(msgspec.Struct, frozen=True):
    """One prompt and its aimed lengths, in tokens.

    `prompt_tokens_estimate` is ours (chatload.prompts.tokens), not the server's count.
    `output_tokens` goes out as max_tokens, with ignore_eos where the server knows it.
    """

    text: str
    prompt_tokens_estimate: int
    output_tokens: int
