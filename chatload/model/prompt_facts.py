"""How the prompts of a run were made as long as requested (part of manifest.json)."""

from __future__ import annotations

import msgspec


class PromptFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How tokens were counted, and what was sent before the run.

    `counted_by`: "tokenizer" (the server's own), "probes" (the usage of requests of one token each) or "estimate";
    `why`: why not by a better method. `template_tokens`: tokens of a first prompt beside the generated text, such as
    chat template and system prompt; `later_tokens`: such tokens added by each later turn. `probes`: requests that were
    sent to count tokens. `warmed`: shared prefixes that were sent to fill the server's cache.
    """

    counted_by: str = ""
    why: str = ""
    template_tokens: float = 0.0
    later_tokens: float = 0.0
    probes: int = 0
    warmed: int = 0

    @property
    def knows_template(self) -> bool:
        """Whether `template_tokens` includes the chat template. A tokenizer without it leaves a reason in `why`."""
        return self.counted_by == "probes" or (self.counted_by == "tokenizer" and not self.why)

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
