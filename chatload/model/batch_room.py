"""How many requests a server runs at once, from the limits on requests or tokens that it reports."""

from __future__ import annotations

import msgspec

LARGE_PROMPT = 0.05
"""If an estimated prompt is more than this share of a request, the request's length counts as estimated."""


class BatchRoom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The server's limits for running requests: `tokens` and `requests`, as it reports them; 0 where it does not.

    `reserved`: a request takes prompt and max_tokens before it runs (TGI), or a slot of its own (llama.cpp); otherwise
    its prompt, and more as its answer grows (vLLM). `option` is the server option that raises `tokens`,
    `requests_option` the one that raises `requests`. `request_tokens` is the most that a request of the run takes, on
    average; `estimated`: a large part of it is a prompt whose length is estimated. `admitted` is the most requests,
    running and waiting, that the server accepts; `admitted_option` raises it.
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
        """How many requests of the run fit into `tokens`; None where either length is unknown."""
        return int(self.tokens / self.request_tokens) if self.tokens and self.request_tokens else None

    @property
    def at_once(self) -> int | None:
        """How many requests of the run fit; None where unknown."""
        return min((n for n in (self.by_tokens, self.requests or None) if n is not None), default=None)

    @property
    def is_by_number(self) -> bool:
        """Whether `requests` is the tighter limit, not `tokens`."""
        return bool(self.requests) and (self.by_tokens is None or self.requests <= self.by_tokens)

    @property
    def limiting_option(self) -> str:
        """The server option that raises the tighter limit."""
        return self.requests_option if self.is_by_number else self.option

    @property
    def words(self) -> str:
        """Such as "7 of these requests at once (16,000 tokens, 2,003 each)" or "4 requests at once"."""
        if self.is_by_number:
            return f"{self.requests:,} request{'s'[: self.requests != 1]} at once"
        about = "about " if self.estimated else ""
        each = f"{self.tokens:,} tokens, {about}{self.request_tokens or 0.0:,.0f} each"
        return f"{self.at_once or 0:,} of these requests at once ({each})"
