"""A request inside the engine: lengths only."""

from __future__ import annotations

from collections.abc import Sequence as Row
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Sequence:
    """One request as the scheduler sees it.

    `answer_tokens`: number of the answer's token that is the end-of-text token (counted); with `ignore_eos` the
    answer goes on to `max_tokens`.
    `prefix`: prefix[i] is the content hash of the first (i + 1) blocks of prompt and answer, of as many tokens as the
    scheduler says (`prefix_block`); hashes past the prompt's end let a later turn of the same conversation hit the
    answer's blocks. Empty: never cached.
    `finish`: None while running, then "stop", "length", "ignored" (longer than the server takes) or "abort".
    """

    seq_id: int
    prompt_tokens: int
    max_tokens: int
    answer_tokens: int
    ignore_eos: bool = False
    arrived_s: float = 0.0
    prefix: Row[int] = ()
    generated: int = 0
    finish: str | None = None

    @property
    def known_tokens(self) -> int:
        """Prompt and answer so far: what a prefill of this sequence has to compute."""
        return self.prompt_tokens + self.generated
