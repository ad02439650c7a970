"""How long prompts and answers may be, as a server reports it before a run."""

from __future__ import annotations

import msgspec


class ContextLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Most tokens of a prompt (`prompt`), and of prompt and answer together (`total`); None where unknown.

    `reserved`: the server adds max_tokens to the prompt, and refuses a request whose sum exceeds `total`.
    `piece` is the most of max_tokens that it adds, as TGI 3 generates longer answers in pieces; 0: no limit.
    `source` is where the limits come from: "GET /info", "--context-limit".
    """

    prompt: int | None = None
    total: int | None = None
    reserved: bool = True
    piece: int = 0
    source: str = ""

    def reserved_tokens(self, max_tokens: int) -> int:
        """Tokens of the answer that must fit into `total` with the prompt, or the server refuses the request."""
        if not self.reserved:
            return 0
        return min(max_tokens, self.piece or max_tokens)

    @property
    def words(self) -> str:
        """Such as "1,024 prompt tokens, 2,048 with the answer"."""
        parts = [f"{self.prompt:,} prompt tokens"] if self.prompt is not None else []
        if self.total is not None:
            parts.append(
                f"{self.total:,} with the answer" if parts else f"{self.total:,} tokens, prompt and answer"
            )
        return ", ".join(parts)
