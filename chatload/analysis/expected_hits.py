"""How much of its prompts a scenario repeats: what a prefix cache may answer without having seen them before."""

from __future__ import annotations

from collections.abc import Callable

from chatload.loads.conversation_options import ConversationLoad
from chatload.loads.load_shape import Load
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.sweep import SweepLoad
from chatload.model.turn import Turn
from chatload.store.journal import Run


def expected_cached_share(run: Run) -> float | None:
    """The share of prompt tokens that an earlier request of the run held; None where it cannot be told.

    Generated prompts share their system message only, by its share of the characters: the prefix of a group, once the
    group's first turn was sent, or was sent before the run to warm the cache. All share the chat template and system
    prompt, where the requests before the run told how long they are. A growing conversation holds the turn before: of
    prompt k the tokens of prompt and answer k − 1. One message for all turns is repeated by design, and the
    conversations of a file that the user names may begin alike, as those of a scenario of its own; users of a capacity
    search begin in the middle of histories that the server has not seen.
    """
    load = run.manifest.load
    if load is None or _is_untold(load) or (isinstance(load, OpenLoopLoad) and load.repeats):
        return None
    around = run.manifest.prompts.template_tokens if run.manifest.prompts is not None else 0.0
    if load.new_prompts and not (load.shared_prefix_tokens or around):
        return 0.0
    group_of = _group_of(load)
    seen: set[int] = set(range(load.prefix_groups)) if load.cache == "warm" else set()
    before: dict[int, float] = {}
    repeated, asked = 0.0, 0
    for turn in sorted(run.every_turn, key=lambda turn: turn.sent_ns or turn.due_ns):
        if turn.prompt_tokens is None:
            continue
        prompt, group = turn.prompt_tokens, group_of(turn)
        shared = turn.system_characters / max(1, turn.prompt_characters) if group in seen else 0.0
        repeated += min(prompt, max(before.get(turn.user, 0.0), around + (prompt - around) * shared))
        asked += prompt
        seen.add(group)
        if load.grows:
            before[turn.user] = prompt + (turn.tokens or 0)
    return repeated / asked if asked else None


def _is_untold(load: Load) -> bool:
    """Whether it is not known what its prompts share."""
    if load.new_prompts:
        return False
    if not isinstance(load, ConversationLoad) or load.prompts or load.own_tasks:
        return True
    return load.by_level if load.grows else not load.prompt_tokens


def _group_of(load: Load) -> Callable[[Turn], int]:
    """The group of prefixes of each turn, as runner/ deals them out."""
    if isinstance(load, SweepLoad):
        return lambda turn: (turn.user * load.rounds + turn.turn) % load.prefix_groups
    return lambda turn: turn.user % load.prefix_groups
