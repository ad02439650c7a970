"""A prompt with the length of its answer."""

from __future__ import annotations

import msgspec


class SampledPrompt(msgspec.Struct, frozen=True):
    """One prompt with lengths in tokens.

    `prompt_tokens_estimate` is by prompts/tokens.py, not the server's count.
    `output_tokens` is sent as max_tokens, with ignore_eos if the server supports that.
    """

    text: str
    prompt_tokens_estimate: int
    output_tokens: int
