"""How the prompts of a run were made as long as asked (part of manifest.json)."""

from __future__ import annotations

import msgspec


class PromptFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`counted_by`: "tokenizer" (the server's own), "probes" (the usage of two requests of one token) or "estimate";
    `why`: why not by a better method. `template_tokens`: tokens of a first prompt that are no generated text: chat
    template and system prompt; `later_tokens`: the same that each later turn adds. `probes`: requests that were sent
    before the run to tell. `warmed`: shared beginnings that were sent before the run.
    """

    counted_by: str = ""
    why: str = ""
    template_tokens: float = 0.0
    later_tokens: float = 0.0
    probes: int = 0
    warmed: int = 0

    @property
    def words(self) -> str:
        """How tokens were counted, as a sentence; empty where nothing was."""
        if not self.counted_by:
            return ""
        how = {
            "tokenizer": "by the server’s own tokenizer (its /tokenize)",
            "probes": f"by the usage of {self.probes} requests of one token each",
            "estimate": "by an estimate, which other tokenizers than SmolLM2’s differ from",
        }
        why = f" ({self.why})" if self.why else ""
        return f"Prompts are composed {how.get(self.counted_by, self.counted_by)}{why}."
