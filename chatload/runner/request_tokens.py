"""How many tokens a request of a plan takes at most, prompt and answer, as far as it is known before the run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import msgspec

from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.plan import Planned
from chatload.loads.request_schedule import request_lengths
from chatload.loads.sweep import SweepLoad
from chatload.model.batch_room import LARGE_PROMPT, BatchRoom
from chatload.model.token_sources import LIMITS
from chatload.model.words import plural
from chatload.prompts.tokens import estimate_tokens_exactly


def with_requests(room: BatchRoom, planned: Planned) -> BatchRoom:
    """The room with the tokens of the plan's requests, where they are known.

    Of conversations that grow, those of the first turn. A beginning that all share takes room once, except where each
    request reserves its own.
    """
    plan, load = planned.plan, planned.plan.load
    if any(name in plan.body for name in LIMITS) or (isinstance(load, ChatLoad) and load.own_tasks):
        return room
    prompt, answer = _prompt(planned), _answer(planned)
    if prompt is None or answer is None:
        return room
    known = bool(load.prompt_tokens)
    shared = 0.0 if room.reserved else min(prompt, _shared(planned))
    tokens = prompt - shared + answer
    estimated = not known and prompt - shared > LARGE_PROMPT * tokens
    return msgspec.structs.replace(room, request_tokens=round(tokens, 1), estimated=estimated)


def room_sentence(room: BatchRoom, planned: Planned) -> str:
    """What to tell before a run with more requests at once than the server has room for; else nothing."""
    load = planned.plan.load
    at_once = room.at_once
    most = _most_at_once(planned)
    held = min(most, room.admitted or most)
    if not at_once or held <= at_once:  # 0: not one request fits, which the context's line tells
        return ""
    wait = f"up to {held - at_once:,} of {most:,} users will wait"
    if isinstance(load, OpenLoopLoad):
        wait = f"{held - at_once:,} of {most:,} requests will wait"
    elif isinstance(load, SweepLoad):
        wait = f"with more in flight (up to {most:,}) the others will wait"
    elif isinstance(load, CapacityLoad):
        wait = "where a level has more of them open, the others will wait"
    if room.is_by_number:
        return f"this server runs at most {room.words} ({room.requests_option}): {wait}"
    if room.reserved:
        return f"this server runs at most {room.words}, as it reserves prompt and max_tokens of each: {wait}"
    return f"this server's KV cache holds at most {room.words} at full length: {wait} where answers grow that long"


def admission_sentence(room: BatchRoom, planned: Planned) -> str:
    """What to tell before a run with more requests at once than the server admits; else nothing."""
    plan, load, admitted = planned.plan, planned.plan.load, room.admitted
    most = _most_at_once(planned)
    if not admitted or most <= admitted:
        return ""
    then = "fail as overloaded (--on-429 wait asks again)"
    if plan.waits_on_429:
        then = "be asked again until it takes them (--on-429 wait)"
    beyond = f"with {most:,} users up to {plural(most - admitted, 'turn')} at a time"
    if isinstance(load, OpenLoopLoad):
        beyond = f"up to {most - admitted:,} of {most:,}"
    elif isinstance(load, SweepLoad):
        beyond = f"with more in flight (up to {most:,}) the others"
    elif isinstance(load, CapacityLoad):
        beyond = "where a level has more of them open, the others"
    return (
        f"this server turns requests away beyond {admitted:,} at once, running and waiting ({room.admitted_option}): "
        f"{beyond} will {then}"
    )


def _most_at_once(planned: Planned) -> int:
    """How many requests a plan may have open at once, as far as that is known."""
    load = planned.plan.load
    return load.users if load.own_users else load.least_connections


def _answer(planned: Planned) -> float | None:
    pairs, load = planned.inputs.pairs, planned.plan.load
    if pairs:
        return fmean(answer for _, answer in pairs)
    asked = load.turn_lengths(0, ()).answer
    if asked is None and isinstance(load, OpenLoopLoad) and load.exact_lengths:
        return fmean(answer for _, answer in _recorded(planned, load))
    return asked.average if asked is not None else planned.plan.max_tokens


def _prompt(planned: Planned) -> float | None:
    inputs, load = planned.inputs, planned.plan.load
    if inputs.pairs:
        return fmean(prompt for prompt, _ in inputs.pairs)
    asked = load.turn_lengths(0, ()).prompt
    if asked is not None:
        return asked.average
    if isinstance(load, OpenLoopLoad):
        return fmean(prompt for prompt, _ in _recorded(planned, load)) + load.shared_prefix_tokens
    systems = [estimate_tokens_exactly(one) for one in load.system_prompts(inputs)]
    if load.fixed_prompt:
        return estimate_tokens_exactly(load.fixed_prompt) + fmean(systems)
    lines = [estimate_tokens_exactly(one.lines[0]) for one in inputs.conversations if one.lines]
    return fmean(lines) + fmean(systems) if lines else None


def _recorded(planned: Planned, load: OpenLoopLoad) -> Sequence[tuple[int, int]]:
    return request_lengths(load, planned.inputs, planned.plan.drawn_by)


def _shared(planned: Planned) -> float:
    """Tokens at the beginning of a prompt that other requests have too."""
    load = planned.plan.load
    systems = [estimate_tokens_exactly(one) for one in load.system_prompts(planned.inputs)]
    own = estimate_tokens_exactly(load.fixed_prompt) if load.fixed_prompt else load.shared_prefix_tokens
    return own + max(systems)
