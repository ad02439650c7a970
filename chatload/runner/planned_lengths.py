"""The lengths of a plan's requests in tokens, turn by turn, as far as they are known before the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, cycle, islice, repeat
from typing import NamedTuple

from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.conversation_options import ConversationLoad
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.plan import Planned
from chatload.loads.request_schedule import new_tokens, request_lengths
from chatload.loads.sweep import SweepLoad
from chatload.loads.visitors import VisitorsLoad
from chatload.prompts.conversation import FOLLOW_UPS, script_of
from chatload.prompts.tokens import estimate_tokens_exactly
from chatload.prompts.unique_opening import opening_of

MOST_USERS, ENDLESS_TURNS, MOST_TURNS = 500, 200, 30_000
"""So many conversations are looked at, so many turns of those without an end, and so many turns in all."""
AROUND_A_MESSAGE = 4.0
"""Tokens that a chat template puts around a message; an estimate."""


class Step(NamedTuple):
    """One turn: tokens that it adds to the prompt, beside the answers before, and the length of its answer.

    `answer` None: not known, up to max_tokens.
    """

    adds: float
    answer: int | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as planned: tokens before its first message, and its turns, to be read once.

    Without history it has one turn.
    """

    before: float
    steps: Iterable[Step]


@dataclass(frozen=True, slots=True)
class PlannedLengths:
    """The conversations that were looked at. `of_all`: these are all of the run, with all their turns.

    `turns` of each; 0 without an end, or where they differ. `beside` is what prompts hold whose tokens are not known.
    """

    talks: Sequence[Talk]
    turns: int
    of_all: bool
    beside: str = ""


def planned_lengths(planned: Planned) -> PlannedLengths:
    """The lengths of requests that the options decide on; those of tasks of one's own are not known.

    Texts are estimated where the scenario does not ask for their lengths.
    """
    load = planned.plan.load
    if isinstance(load, OpenLoopLoad):
        talks = list(_open_loop(planned, load))
        return PlannedLengths(talks, 0, len(talks) == load.requests)
    if isinstance(load, SweepLoad):
        talks = list(_sweep(planned, load))
        return PlannedLengths(talks, 1, len(talks) == load.turns_planned)
    assert isinstance(load, ConversationLoad)
    turns, users = _turns(load), _users(planned, load)
    shown = turns or ENDLESS_TURNS
    looked_at = max(1, min(users, MOST_USERS, MOST_TURNS // shown))
    all_users = bool(turns) and isinstance(load, ChatLoad) and looked_at == users
    before, of_users = (
        _before(planned, load),
        (_steps(planned, load, user, shown) for user in range(looked_at)),
    )
    if load.grows:
        return PlannedLengths(
            [Talk(before, steps) for steps in of_users], turns, all_users, load.non_text_content
        )
    talks = [Talk(before, (step,)) for steps in of_users for step in steps]
    return PlannedLengths(talks, 1, all_users, load.non_text_content)


def _open_loop(planned: Planned, load: OpenLoopLoad) -> Iterator[Talk]:
    asked, inputs = load.turn_lengths(planned.plan.drawn_by, planned.inputs.pairs).of, planned.inputs
    if load.prompt_tokens:
        for index in range(min(load.requests, MOST_TURNS)):
            prompt, answer = asked(index, 1)
            yield Talk(0.0, (Step(float(prompt or 0), answer),))
        return
    before = load.shared_prefix_tokens + AROUND_A_MESSAGE * bool(load.shared_prefix_tokens)
    lengths = request_lengths(load, inputs, planned.plan.drawn_by)
    for talk in inputs.chains or ((index,) for index in range(len(lengths))):
        steps = []
        for number, index in enumerate(talk):
            prompt_tokens, told = lengths[index]
            row = inputs.trace[index] if inputs.trace else None
            if number and row is not None and not row.text and inputs.whole_prompts:
                prompt_tokens = new_tokens(lengths[index], lengths[talk[number - 1]])
            exact = (told or None) if load.exact_lengths else None
            around = AROUND_A_MESSAGE * (1 + (number > 0))
            step = Step(prompt_tokens + around, asked(talk[0], number + 1)[1] or exact)
            if row is not None and row.blocks:  # they hold the turns before
                yield Talk(before, (Step(lengths[index][0] + AROUND_A_MESSAGE, step.answer),))
            else:
                steps.append(step)
        if steps:
            yield Talk(before, steps)


def _sweep(planned: Planned, load: SweepLoad) -> Iterator[Talk]:
    asked = load.turn_lengths(planned.plan.drawn_by, planned.inputs.pairs).of
    slots = ((slot, turn) for slot in range(sum(load.levels)) for turn in range(1, load.rounds + 1))
    for slot, turn in islice(slots, MOST_TURNS):
        prompt, answer = asked(slot, turn)
        yield Talk(0.0, (Step(float(prompt or 0), answer),))


def _turns(load: ConversationLoad) -> int:
    """The turns of a conversation; 0 without an end."""
    if isinstance(load, CapacityLoad):
        return load.conversation_turns
    return load.turns if isinstance(load, ChatLoad | VisitorsLoad) else 0


def _users(planned: Planned, load: ConversationLoad) -> int:
    """The conversations that differ: of a chat load those of the users who do as the options say."""
    if isinstance(load, ChatLoad):
        return max(0, load.users - sum(one.users for one in load.classes))
    return len(planned.inputs.conversations) or 1


def _before(planned: Planned, load: ConversationLoad) -> float:
    """Tokens of what stands before a conversation; they are part of prompt lengths that are asked."""
    if load.prompt_tokens:
        return 0.0
    system = max(map(_estimate, load.system_prompts(planned.inputs))) + load.shared_prefix_tokens
    return system + AROUND_A_MESSAGE if system else 0.0


def _steps(planned: Planned, load: ConversationLoad, user: int, turns: int) -> Iterator[Step]:
    """The turns of a user's conversation."""
    asked = load.turn_lengths(planned.plan.drawn_by, planned.inputs.pairs).of
    lines = _lines(planned, load, user)
    use = load.tool_use if isinstance(load, ChatLoad) else None
    for turn in range(1, turns + 1):
        prompt, answer = asked(user, turn)
        around = AROUND_A_MESSAGE * (1 + (load.grows and turn > 1))  # the answer before has a frame, too
        if prompt is not None:
            yield Step(float(prompt), answer)
        elif use is not None and (turn - 1) % use.turns_a_question:
            yield Step(around + use.result_tokens if use.required else 0.0, answer)
        else:
            yield Step(next(lines) + around, answer)


def _lines(planned: Planned, load: ConversationLoad, user: int) -> Iterator[float]:
    """The tokens of what a user says, line by line, by our estimate."""
    scripts = planned.inputs.conversations
    if not scripts:
        return repeat(_estimate(load.prompt))
    if not load.grows:  # each turn sends the first line of another conversation
        firsts = islice(
            cycle(scripts), user % len(scripts), None, max(1, load.users % len(scripts) or len(scripts))
        )
        return (_estimate(one.lines[0]) for one in firsts)
    script, first = script_of(user, planned.plan.drawn_by, scripts)
    own = script.lines
    later = islice(cycle(FOLLOW_UPS), first, None)
    return chain(
        (_estimate(own[0]) + _estimate(opening_of(user, "")),), map(_estimate, own[1:]), map(_estimate, later)
    )


@lru_cache(maxsize=4096)
def _estimate(text: str) -> float:
    return estimate_tokens_exactly(text)
