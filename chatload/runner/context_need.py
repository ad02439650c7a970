"""Whether the conversations of a plan will fit the model's context, as far as that is known before the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan, Planned
from chatload.loads.user_classes import UserClass
from chatload.model.context_limits import ContextLimits
from chatload.model.token_sources import LIMITS
from chatload.model.words import listed, percent
from chatload.options.run_options import FAIL, TRIM
from chatload.prompts.tokens import estimate_tokens_exactly
from chatload.runner.planned_lengths import AROUND_A_MESSAGE, PlannedLengths, Talk, planned_lengths

CONSEQUENCES = {TRIM: "will be asked without their oldest exchanges", FAIL: "will fail"}


@dataclass(frozen=True, slots=True)
class Beyond:
    """The first turn of each conversation that does not fit; None where all do.

    `surely`: however short the answers before it are; `at_most`: where they are as long as --max-tokens allows.
    """

    surely: Sequence[int | None]
    at_most: Sequence[int | None]


def context_sentence(limits: ContextLimits, planned: Planned) -> str:
    """What to tell before a run some of whose conversations will not fit; else nothing.

    Lengths of prompts are our estimates where the scenario does not ask for them.
    """
    plan = planned.plan
    if any(name in plan.body for name in LIMITS) or _own_classes(plan, whole_run=True):
        return ""
    found = planned_lengths(planned)
    firsts = [_first_beyond(limits, talk, plan.max_tokens) for talk in found.talks]
    beyond = Beyond([surely for surely, _ in firsts], [at_most for _, at_most in firsts])
    if not any(beyond.at_most):
        return ""
    told = f"this server takes {limits.words} ({limits.source}): "
    by = f"by our estimate, {found.beside} not counted" if found.beside else "by our estimate"
    if any(first == 1 for first in beyond.surely):
        return f"{told}{_first_messages(plan, found, beyond)}, {by}: {_remedy(plan)}"
    consequence = CONSEQUENCES.get(plan.context_full, "will not be held, as the conversation is over")
    return f"{told}{_turns(plan, found, beyond)} {consequence} (--context-full; {by})"


def class_sentence(limits: ContextLimits, plan: Plan, classes: Sequence[str]) -> str:
    """What to tell of classes with tasks of their own, where system prompt and max_tokens alone do not fit."""
    found = [one for one in _own_classes(plan) if one.name in classes and _class_tokens(limits, plan, one)]
    if not found:
        return ""
    most = max(_class_tokens(limits, plan, one) for one in found)
    return (
        f"this server takes {limits.words} ({limits.source}): system_prompt and max_tokens of "
        f"{listed([one.name for one in found])} come to {most:,.0f} tokens, by our estimate: what its tasks ask will "
        "not fit, unless they ask for less"
    )


def _own_classes(plan: Plan, *, whole_run: bool = False) -> tuple[UserClass, ...]:
    """The classes with tasks of their own; with `whole_run` only where no user does as the options say."""
    load = plan.load
    own = load.classes if isinstance(load, ChatLoad) else ()
    return () if whole_run and sum(one.users for one in own) < load.users else own


def _class_tokens(limits: ContextLimits, plan: Plan, one: UserClass) -> float:
    """Tokens of system prompt and answer where they do not fit; else 0."""
    if any(name in {**plan.body, **one.body} for name in LIMITS):
        return 0.0
    system = estimate_tokens_exactly(one.system_prompt) + AROUND_A_MESSAGE if one.system_prompt else 0.0
    lengths = plan.load.turn_lengths(plan.drawn_by, ()).answer
    answer = limits.reserved_tokens(round(lengths.at(0.0)) if lengths is not None else one.max_tokens or 0)
    too_long = limits.prompt is not None and system > limits.prompt
    too_long = too_long or (limits.total is not None and system + answer > limits.total)
    return system + answer if too_long else 0.0


def _first_messages(plan: Plan, found: PlannedLengths, beyond: Beyond) -> str:
    """The conversations whose first message does not fit: “3 of 100 requests will not fit”."""
    several = plan.load.grows or any(first != 1 for first in beyond.at_most if first)
    what = "first messages" if several else "requests"
    first, of = sum(one == 1 for one in beyond.surely), len(beyond.surely)
    if first == of:
        return f"none of the {f'{of:,} ' * found.of_all}{what} will fit"
    if not found.of_all:
        return f"{percent(first / of)} of {what} will not fit"
    return f"{first:,} of {of:,} {what} will not fit"


def _remedy(plan: Plan) -> str:
    if plan.context_full == FAIL:
        return "they will fail"
    return "give shorter ones, or a smaller --max-tokens; the run ends after the first few of them"


def _turns(plan: Plan, found: PlannedLengths, beyond: Beyond) -> str:
    """The turns that do not fit, with the shortest and with the longest answers."""
    longest = f"with answers as long as --max-tokens {plan.max_tokens or 0:,} allows"
    surely, at_most = _from(found, beyond.surely), _from(found, beyond.at_most)
    if not surely:
        return f"{longest}, turns {at_most}"
    if surely == at_most:
        sooner = not plan.max_tokens and not plan.load.asks_exact_lengths
        return f"turns {surely}{', or sooner as answers are added,' if sooner else ''}"
    return f"turns {surely}, {longest} {at_most},"


def _from(found: PlannedLengths, firsts: Sequence[int | None]) -> str:
    """“from turn 6 on (50% of all)”; empty where all fit."""
    first = min(filter(None, firsts), default=0)
    if not first:
        return ""
    if not (found.turns and found.of_all):
        return f"from turn {first} on"
    share = sum(1 + found.turns - one for one in firsts if one) / (found.turns * len(firsts))
    return f"from turn {first} on ({percent(share)} of all)"


def _first_beyond(limits: ContextLimits, talk: Talk, max_tokens: int | None) -> tuple[int | None, int | None]:
    """(the first turn that surely does not fit, the first one that does not with the longest answers)."""
    least = most = talk.before
    at_most: int | None = None
    for turn, (adds, exact) in enumerate(talk.steps, start=1):
        answer = exact if exact is not None else max_tokens or 0
        if _is_beyond(limits, least + adds, answer):
            return turn, at_most or turn
        if at_most is None and _is_beyond(limits, most + adds, answer):
            at_most = turn
        least, most = least + adds + (exact or 0), most + adds + answer
    return None, at_most


def _is_beyond(limits: ContextLimits, prompt: float, answer: int) -> bool:
    if limits.prompt is not None and prompt > limits.prompt:
        return True
    return limits.total is not None and prompt + limits.reserved_tokens(answer) > limits.total
