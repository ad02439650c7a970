"""Whether the conversations of a plan will fit the model's context, as far as that is known before the run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Planned
from chatload.loads.visitors import VisitorsLoad
from chatload.model.context_limits import ContextLimits
from chatload.model.token_sources import LIMITS
from chatload.options.run_options import FAIL, TRIM
from chatload.prompts.conversation import FOLLOW_UPS
from chatload.prompts.tokens import estimate_tokens_exactly

MOST_USERS, ENDLESS_TURNS = 500, 200
"""So many conversations are looked at, and so many turns of those without an end."""
AROUND_A_MESSAGE, OPENING = 4.0, 12.0
"""Tokens that a chat template puts around a message, and those of the sentence that opens a script; estimates."""
CONSEQUENCES = {TRIM: "will be asked without their oldest exchanges", FAIL: "will fail"}


def context_sentence(limits: ContextLimits, planned: Planned) -> str:
    """What to tell before a run some of whose conversations will not fit; else nothing.

    Lengths of prompts are our estimates where the scenario does not ask for them.
    """
    plan, load = planned.plan, planned.plan.load
    if any(name in plan.body for name in LIMITS) or not isinstance(
        load, ChatLoad | CapacityLoad | VisitorsLoad
    ):
        return ""
    if load.own_tasks or load.beyond_text:
        return ""
    turns = _turns(planned)
    surely = [_first_beyond(limits, planned, user, least=True) for user in range(_users(planned))]
    first = min(filter(None, surely), default=0)
    words = ""
    if not first:
        surely = [_first_beyond(limits, planned, user, least=False) for user in range(_users(planned))]
        first = min(filter(None, surely), default=0)
        words = f"with answers as long as --max-tokens {plan.max_tokens or 0:,} allows, "
    if not first:
        return ""
    told = f"this server takes {limits.words} ({limits.source})"
    if first == 1:
        return (
            f"{told}: {words}first messages of conversations will not fit, by our estimate: give shorter ones"
        )
    of_all = ""
    if turns and isinstance(load, ChatLoad):
        share = sum(1 + turns - one for one in surely if one) / (turns * len(surely))
        of_all = f" ({share:.0%} of all)"
    consequence = CONSEQUENCES.get(plan.context_full, "will not be held, as the conversation is over")
    return (
        f"{told}: {words}turns from turn {first} on{of_all} {consequence} (--context-full; by our estimate)"
    )


def _turns(planned: Planned) -> int:
    """The turns of a conversation; 0 without an end."""
    load = planned.plan.load
    if isinstance(load, CapacityLoad):
        return load.conversation_turns
    return load.turns if isinstance(load, ChatLoad | VisitorsLoad) else 0


def _users(planned: Planned) -> int:
    load = planned.plan.load
    several = len(planned.inputs.conversations) or 1
    return max(1, min(MOST_USERS, load.users if isinstance(load, ChatLoad) else several))


def _first_beyond(limits: ContextLimits, planned: Planned, user: int, *, least: bool) -> int | None:
    """The first turn of a user's conversation that does not fit; `least`: with answers no longer than is known."""
    plan, load = planned.plan, planned.plan.load
    asked = load.turn_lengths(plan.drawn_by, planned.inputs.pairs).of
    system = (
        max(map(estimate_tokens_exactly, load.systems(planned.inputs))) if not load.prompt_tokens else 0.0
    )
    before = (system + AROUND_A_MESSAGE if system else 0.0) + load.shared_prefix_tokens * (
        not load.prompt_tokens
    )
    lines = _lines(planned, user)
    for turn in range(1, (_turns(planned) or ENDLESS_TURNS) + 1):
        prompt, exact = asked(user, turn)
        says = float(prompt) if prompt is not None else next(lines) + AROUND_A_MESSAGE
        reserve = exact if exact is not None else plan.max_tokens or 0
        total = before + says
        beyond = limits.prompt is not None and total > limits.prompt
        if limits.total is not None:
            beyond = beyond or total + (reserve if limits.reserved else 0) > limits.total
        if beyond:
            return turn
        if not load.grows:
            return None
        answer = exact if exact is not None else 0 if least else plan.max_tokens or 0
        before = total + answer + (AROUND_A_MESSAGE if prompt is None else 0.0)
    return None


def _lines(planned: Planned, user: int) -> Iterator[float]:
    """The tokens of what a user says, line by line, by our estimate."""
    load, scripts = planned.plan.load, planned.inputs.conversations
    if load.fixed_prompt or not scripts:
        yield from cycle((estimate_tokens_exactly(load.fixed_prompt),))
    own = scripts[user % len(scripts)].lines
    for place, line in enumerate(own if load.grows else own[:1]):
        yield estimate_tokens_exactly(line) + (OPENING if not place and load.grows else 0.0)
    yield from cycle(
        map(estimate_tokens_exactly, islice(cycle(FOLLOW_UPS), user % 7, user % 7 + len(FOLLOW_UPS)))
    )
