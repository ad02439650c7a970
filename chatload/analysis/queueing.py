"""Whether the wait in a queue, and not the model, makes the TTFT, and what the queue is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import msgspec

from chatload.analysis.capacity_levels import levels_of
from chatload.analysis.first_token import QUEUE, first_token_time, first_token_within
from chatload.analysis.series import in_flight, levels
from chatload.analysis.server_readings import readings_of, value
from chatload.analysis.servers import by_host
from chatload.analysis.throughput import whole_window
from chatload.analysis.window import Window
from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.sweep import WARM_UP
from chatload.model.batch_room import BatchRoom
from chatload.model.first_token import FirstTokenTime
from chatload.model.journal_lines import ServerLine
from chatload.model.metrics import ttft_ms
from chatload.model.summary import Queueing, QueueOf
from chatload.model.turn import Turn
from chatload.model.verdict import MISSED, CapacityResult
from chatload.protocols.server_kinds import KINDS
from chatload.store.journal import Run

LEAST_MS, LEAST_SHARE = 250.0, 0.5
"""A wait of so much, and of so large a share of the mean TTFT, makes it."""
FULL = 0.9
"""Share of the KV cache in use at which new requests are kept waiting for room."""
WITH_THE_WAIT = (
    *("ttft_ms", "ttfa_ms", "ttft_from_due_ms", "first_byte_ms", "headers_ms", "e2e_ms", "final_answer_ms"),
    *("whole_ms", "felt_tokens_per_s", "goodput", "conversation_goodput"),
)
"""What SLOs speak of that a wait for the first token is part of."""
BEYOND = 1.1
"""So many times the bound may be seen to run at once: lengths are means."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a run under one load, before one server: the whole, a level, a step of rates or a server's turns."""

    run: Run
    windows: Sequence[Window]
    at: str = ""
    of: QueueOf = ""

    @property
    def sent(self) -> list[Turn]:
        """The turns sent in it."""
        return [turn for turn in self.run.turns if turn.sent_ns is not None and self.has(turn.sent_ns)]

    def has(self, at_ns: int) -> bool:
        """Whether an instant is in it."""
        return any(one.from_ns <= at_ns < one.until_ns for one in self.windows)


def queueing(run: Run, first_token: FirstTokenTime | None) -> tuple[Queueing, ...]:
    """The wait, where it makes the TTFT; none where it does not, or nobody can tell.

    By the server's own queue times; else by the room that each request reserves: with L turns in flight on average
    and room for N, the others wait, by Little's law (L − N) / (turns/s) on average.
    Of several servers each is judged apart. A capacity search is judged at the least level that missed an SLO which the
    wait is part of, other loads of several parts in each: told is the one with the longest wait.
    """
    servers = by_host(run)
    if len(servers) > 1:
        parts = [_Part(one, _whole(one), host, "server") for host, one in servers.items()]
        found = (_queueing(part, first_token_time(part.run, None, "")) for part in parts)
        return tuple(one for one in found if one is not None)
    if run.manifest.capacity is not None:
        parts = _limiting_level(run, run.manifest.capacity)
    elif run.manifest.load is not None and run.manifest.load.in_parts:
        parts = _groups(run)
    else:
        one = _queueing(_Part(run, _whole(run)), first_token)
        return () if one is None else (one,)
    told = [
        one for part in parts if (one := _queueing(part, first_token_within(run, part.windows))) is not None
    ]
    if not told:
        return ()
    longest = max(told, key=lambda one: one.wait_ms)
    return (msgspec.structs.replace(longest, others=len(told) - 1),)


def _whole(run: Run) -> list[Window]:
    return list(filter(None, [whole_window(run.turns)]))


def _limiting_level(run: Run, found: CapacityResult) -> list[_Part]:
    """The least level that missed an SLO which the wait is part of: as long as each of its windows surely measured."""
    load = run.manifest.load
    missed = (
        level
        for level in levels_of(found)
        if any(one.metric in WITH_THE_WAIT and one.verdict == MISSED for one in level.slo)
    )
    level = next(missed, None)
    if level is None or not isinstance(load, CapacityLoad):
        return []
    windows = []
    for name in level.groups:
        last_ns = max((turn.due_ns for turn in run.turns if turn.group == name), default=0)
        windows.append(Window(last_ns - round(load.measure_s * 1e9), last_ns))
    of_level = replace(run, turns=tuple(turn for turn in run.turns if turn.group in level.groups))
    return [_Part(of_level, windows, load.level_words(level.users), "level")] if of_level.turns else []


def _groups(run: Run) -> list[_Part]:
    """The levels of a sweep, or steps of rates: each from its first to its last due."""
    turns: dict[str, list[Turn]] = {}
    for turn in run.turns:
        if turn.group and turn.group != WARM_UP:
            turns.setdefault(turn.group, []).append(turn)
    return [
        _Part(
            replace(run, turns=tuple(held)),
            [Window(min(turn.due_ns for turn in held), max(turn.due_ns for turn in held))],
            name,
            "part",
        )
        for name, held in turns.items()
    ]


def _queueing(part: _Part, first_token: FirstTokenTime | None) -> Queueing | None:
    run = part.run
    room = _room(run)
    told = first_token.part(QUEUE) if first_token is not None and not first_token.doubt else None
    by = "in flight" if told is None else "server"
    wait_ms = _wait_ms(part, room) if told is None else told
    mean_ms = first_token.ttft_ms if told is not None and first_token is not None else _mean_ttft_ms(part)
    if wait_ms is None or mean_ms is None or wait_ms < max(LEAST_MS, LEAST_SHARE * mean_ms):
        return None
    lines = [line for line in readings_of(run).during if part.has(line.at_ns)]
    kv_use = max((use for line in lines if (use := value(line, "kv_use")) is not None), default=None)
    full = kv_use is not None and kv_use >= FULL
    most = max(in_flight(run)[1], default=0)
    beyond = room is not None and room.at_once is not None and most > room.at_once
    return Queueing(
        wait_ms=round(wait_ms, 3),
        ttft_ms=round(mean_ms, 3),
        by=by,
        room=room if room is not None and (beyond if room.reserved else full) else None,
        kv_use=kv_use if full else None,
        batch=_pinned(lines),
        batch_option=_batch_option(run),
        at=part.at,
        of=part.of,
    )


def _pinned(lines: Sequence[ServerLine]) -> float | None:
    """The most requests in the server's batch, where it held as many at most readings with others waiting."""
    held = [line.running for line in lines if line.waiting and line.running]
    most = max(held, default=0.0)
    return most if len(held) > 1 and sum(one == most for one in held) > len(held) / 2 else None


def _room(run: Run) -> BatchRoom | None:
    """The server's room, with the prompts that it counted where it told them; None where lengths are not known."""
    room, plan = run.manifest.server.room, run.manifest.plan
    if room is None:
        return None
    if plan is not None and room.tokens and room.reserved:
        own = (
            isinstance(plan.load, ChatLoad) and plan.load.own_tasks
        )  # they ask for other lengths than the plan
        sizes = [
            turn.prompt_tokens + answer
            for turn in run.turns
            if turn.prompt_tokens
            and (answer := turn.asked_tokens or (None if own else plan.max_tokens)) is not None
        ]
        if len(sizes) >= max(1.0, len(run.turns) / 2):
            room = msgspec.structs.replace(room, request_tokens=fmean(sizes), estimated=False)
    return room if room.at_once is not None else None


def _mean_ttft_ms(part: _Part) -> float | None:
    found = [ms for turn in part.sent if turn.ok and (ms := ttft_ms(turn)) is not None]
    return fmean(found) if found else None


def _wait_ms(part: _Part, room: BatchRoom | None) -> float | None:
    """The mean wait of turns for room, in ms; None where all fit, or more were seen to run than fit."""
    seconds = sum(one.seconds for one in part.windows)
    if room is None or not room.reserved or room.at_once is None or not seconds:
        return None
    begun = [
        turn for turn in part.run.turns if turn.first_token_ns is not None and turn.last_token_ns is not None
    ]
    running = levels(
        (turn.first_token_ns or 0 for turn in begun), (turn.last_token_ns or 0 for turn in begun)
    )
    if max(running[1], default=0) > BEYOND * room.at_once + 1:
        return None
    sent = part.sent
    held_s = sum(
        max(0, min(turn.end_ns, one.until_ns) - max(turn.sent_ns, one.from_ns)) / 1e9
        for turn in part.run.turns
        if turn.sent_ns is not None
        for one in part.windows
    )
    return max(0.0, 1000 * (held_s - room.at_once * seconds) / len(sent)) if sent else None


def _batch_option(run: Run) -> str:
    """The server's option for the most requests in its batch."""
    found = run.manifest.server.found
    return next((kind.batch_option for kind in KINDS if found is not None and kind.title == found.name), "")
