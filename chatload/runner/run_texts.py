"""The generated texts of a run, the same in every process that holds users."""

from __future__ import annotations

from chatload.loads.plan import Planned
from chatload.prompts.composed_text import Composer
from chatload.prompts.generated_prompts import GeneratedPrompts
from chatload.prompts.token_counts import ESTIMATE, TokenCounts, estimated


def texts_of(planned: Planned, counts: TokenCounts | None, run_id: str) -> GeneratedPrompts:
    """The texts, by what is known of the server's tokens; by our estimate where nothing was asked of it."""
    plan = planned.plan
    load = plan.load
    return GeneratedPrompts(
        Composer(counts or TokenCounts(method=ESTIMATE, words=estimated())),
        load.turn_lengths(plan.drawn_by, planned.inputs.pairs).of,
        plan.words_by(run_id),
        load.shared_prefix_tokens,
        load.prefix_groups,
    )


def salt_of(planned: Planned, texts: GeneratedPrompts, run_id: str) -> str:
    """The words that every prompt of a run with a cold cache begins with, of no other run; else none."""
    return texts.composer.opening(f"cold {run_id}") if planned.plan.load.cache == "cold" else ""
