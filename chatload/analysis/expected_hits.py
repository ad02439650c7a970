"""How much of its prompts a scenario repeats: what a prefix cache may answer without having seen them before."""

from __future__ import annotations

from collections import defaultdict

from chatload.loads.chat import ChatLoad
from chatload.model.turn import Turn
from chatload.store.journal import Run


def expected_cached_share(run: Run) -> float | None:
    """The share of prompt tokens that an earlier request of the run held; None where it cannot be told.

    Generated prompts share nothing. A growing conversation holds the turn before: of prompt k the tokens of prompt
    and answer k − 1; its first prompt the system message, by its share of the characters. One message for all turns is
    repeated by design, and the conversations of a file that the user names may begin alike, as those of a scenario of
    its own.
    """
    load = run.manifest.load
    if load is not None and load.new_prompts:
        return 0.0
    if not isinstance(load, ChatLoad) or not load.history or load.prompts or load.classes:
        return None
    by_user: dict[int, list[Turn]] = defaultdict(list)
    for turn in run.turns:
        if turn.prompt_tokens is not None:
            by_user[turn.user].append(turn)
    repeated, asked = 0.0, 0
    for turns in by_user.values():
        before = 0.0
        for turn in turns:
            prompt = turn.prompt_tokens or 0
            before = max(before, prompt * turn.system_characters / max(1, turn.prompt_characters))
            repeated += min(prompt, before)
            asked += prompt
            before = prompt + (turn.tokens or 0)
    return repeated / asked if asked else None
