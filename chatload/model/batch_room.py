"""How many requests a server runs at once, where it tells their number or the tokens that it has room for."""

from __future__ import annotations

import msgspec

LARGE_PROMPT = 0.05
"""A prompt whose length is our estimate, and more than this share of a request, makes its length an estimate."""


class BatchRoom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The room for running requests, in tokens and in their number, by the server's own word; 0 is not told.

    `reserved`: a request takes prompt and max_tokens before it runs (TGI), or a place of its own (llama.cpp); else its
    prompt, and more as its answer grows (vLLM). `option` of the server makes room for more tokens, `requests_option`
    for more requests. `request_tokens` is what a request of the run takes at most, on average; `estimated`: the prompt
    in it is our estimate, and a large part. `admitted`: of more requests, running and waiting, it turns each away;
    `admitted_option` raises that.
    """

    tokens: int = 0
    reserved: bool
    option: str = ""
    request_tokens: float | None = None
    estimated: bool = False
    requests: int = 0
    requests_option: str = ""
    admitted: int = 0
    admitted_option: str = ""

    @property
    def by_tokens(self) -> int | None:
        """How many requests of the run have room for their tokens; None where their length is not known."""
        return int(self.tokens / self.request_tokens) if self.tokens and self.request_tokens else None

    @property
    def at_once(self) -> int | None:
        """How many requests of the run fit; None where nothing tells."""
        return min((n for n in (self.by_tokens, self.requests or None) if n is not None), default=None)

    @property
    def is_by_number(self) -> bool:
        """Whether the number of requests is the limit, and not their tokens."""
        return bool(self.requests) and (self.by_tokens is None or self.requests <= self.by_tokens)

    @property
    def limiting_option(self) -> str:
        """The server's option for more requests at once."""
        return self.requests_option if self.is_by_number else self.option

    @property
    def words(self) -> str:
        """7 of these requests at once (16,000 tokens, 2,003 each); 4 requests at once."""
        if self.is_by_number:
            return f"{self.requests:,} request{'s'[: self.requests != 1]} at once"
        about = "about " if self.estimated else ""
        each = f"{self.tokens:,} tokens, {about}{self.request_tokens or 0.0:,.0f} each"
        return f"{self.at_once or 0:,} of these requests at once ({each})"
