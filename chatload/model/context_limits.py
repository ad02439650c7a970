"""How long prompts and answers may be, as a server tells it before a run."""

from __future__ import annotations

import msgspec


class ContextLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Most tokens of a prompt, and of prompt and answer together; None where that is not told.

    `reserved`: the server adds max_tokens to the prompt, and refuses a request that comes to more than `total`.
    `piece`: of max_tokens it adds at most so many, as longer answers are made in pieces (TGI 3); 0: all.
    `source` is who told: "GET /info", "--context-limit".
    """

    prompt: int | None = None
    total: int | None = None
    reserved: bool = True
    piece: int = 0
    source: str = ""

    def beside(self, max_tokens: int) -> int:
        """Tokens of an answer that must fit beside the prompt for the request to be taken."""
        if not self.reserved:
            return 0
        return min(max_tokens, self.piece or max_tokens)

    @property
    def words(self) -> str:
        """1,024 prompt tokens, 2,048 with the answer."""
        parts = [f"{self.prompt:,} prompt tokens"] if self.prompt is not None else []
        if self.total is not None:
            parts.append(
                f"{self.total:,} with the answer" if parts else f"{self.total:,} tokens, prompt and answer"
            )
        return ", ".join(parts)
