"""How many requests a server runs at once, where it tells the tokens that it has room for."""

from __future__ import annotations

import msgspec

LARGE_PROMPT = 0.05
"""A prompt whose length is our estimate, and more than this share of a request, makes its length an estimate."""


class BatchRoom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The room for running requests, in tokens, by the server's own word.

    `reserved`: a request takes prompt and max_tokens before it runs (TGI); else its prompt, and more as its answer
    grows (vLLM). `option` of the server makes it larger. `request_tokens` is what a request of the run takes at most,
    on average; `estimated`: the prompt in it is our estimate, and a large part.
    """

    tokens: int
    reserved: bool
    option: str
    request_tokens: float | None = None
    estimated: bool = False

    @property
    def at_once(self) -> int | None:
        """How many requests of the run fit; None where their length is not known."""
        return None if not self.request_tokens else int(self.tokens / self.request_tokens)

    @property
    def words(self) -> str:
        """7 of these requests at once (16,000 tokens, 2,003 each)."""
        about = "about " if self.estimated else ""
        each = f"{self.tokens:,} tokens, {about}{self.request_tokens or 0.0:,.0f} each"
        return f"{self.at_once or 0:,} of these requests at once ({each})"
