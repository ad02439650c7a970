"""Whether the wait in a queue, and not the model, makes the TTFT, and what the queue is for."""

from __future__ import annotations

from statistics import fmean

from chatload.analysis.first_token import QUEUE
from chatload.analysis.series import in_flight, levels
from chatload.analysis.server_readings import readings_of
from chatload.analysis.throughput import whole_window
from chatload.model.batch_room import BatchRoom
from chatload.model.first_token import FirstTokenTime
from chatload.model.metrics import ttft_ms
from chatload.model.server_view import ServerView
from chatload.model.summary import Queueing
from chatload.protocols.server_kinds import KINDS
from chatload.store.journal import Run

LEAST_MS, LEAST_SHARE = 250.0, 0.5
"""A wait of so much, and of so large a share of the mean TTFT, makes it."""
FULL = 0.9
"""Share of the KV cache in use at which new requests are kept waiting for room."""
BEYOND = 1.1
"""So many times the bound may be seen to run at once: lengths are means."""


def queueing(run: Run, first_token: FirstTokenTime | None, view: ServerView | None) -> Queueing | None:
    """The wait, where it makes the TTFT; None where it does not, or nobody can tell.

    By the server's own queue times; else by the room that each request reserves: with L turns in flight on average
    and room for N, the others wait, by Little's law (L − N) / (turns/s) on average.
    """
    if len(run.manifest.servers) > 1:
        return None
    room = _room(run)
    told = first_token.part(QUEUE) if first_token is not None and not first_token.doubt else None
    by = "in flight" if told is None else "server"
    wait_ms = _wait_ms(run, room) if told is None else told
    mean_ms = first_token.ttft_ms if told is not None and first_token is not None else _mean_ttft_ms(run)
    if wait_ms is None or mean_ms is None or wait_ms < max(LEAST_MS, LEAST_SHARE * mean_ms):
        return None
    full = view is not None and view.kv_use is not None and view.kv_use >= FULL
    most = max(in_flight(run)[1], default=0)
    beyond = room is not None and room.at_once is not None and most > room.at_once
    return Queueing(
        wait_ms=round(wait_ms, 3),
        ttft_ms=round(mean_ms, 3),
        by=by,
        room=room if room is not None and (beyond if room.reserved else full) else None,
        kv_use=view.kv_use if view is not None and full else None,
        batch=_pinned(run),
        batch_option=_batch_option(run),
    )


def _pinned(run: Run) -> float | None:
    """The most requests in the server's batch, where it held as many at most readings with others waiting."""
    held = [line.running for line in readings_of(run).during if line.waiting and line.running]
    most = max(held, default=0.0)
    return most if len(held) > 1 and sum(one == most for one in held) > len(held) / 2 else None


def _room(run: Run) -> BatchRoom | None:
    """The server's room, with the prompts that it counted where it told them."""
    room, plan = run.manifest.server.room, run.manifest.plan
    if room is None or room.request_tokens is None or plan is None or not room.reserved:
        return room if room is not None and room.request_tokens is not None else None
    sizes = [
        turn.prompt_tokens + answer
        for turn in run.turns
        if turn.prompt_tokens and (answer := turn.asked_tokens or plan.max_tokens) is not None
    ]
    if len(sizes) < len(run.turns) / 2:
        return room
    return BatchRoom(tokens=room.tokens, reserved=True, option=room.option, request_tokens=fmean(sizes))


def _mean_ttft_ms(run: Run) -> float | None:
    found = [ms for turn in run.turns if turn.ok and (ms := ttft_ms(turn)) is not None]
    return fmean(found) if found else None


def _wait_ms(run: Run, room: BatchRoom | None) -> float | None:
    """The mean wait of turns for room, in ms; None where all fit, or more were seen to run than fit."""
    window = whole_window(run.turns)
    if room is None or not room.reserved or room.at_once is None or window is None:
        return None
    begun = [turn for turn in run.turns if turn.first_token_ns is not None and turn.last_token_ns is not None]
    running = levels(
        (turn.first_token_ns or 0 for turn in begun), (turn.last_token_ns or 0 for turn in begun)
    )
    if max(running[1], default=0) > BEYOND * room.at_once + 1:
        return None
    sent = [turn for turn in run.turns if turn.sent_ns is not None]
    held_s = sum(turn.end_ns - (turn.sent_ns or 0) for turn in sent) / 1e9
    return max(0.0, 1000 * (held_s - room.at_once * window.seconds) / len(sent)) if sent else None


def _batch_option(run: Run) -> str:
    """The server's option for the most requests in its batch."""
    found = run.manifest.server.found
    return next((kind.batch_option for kind in KINDS if found is not None and kind.title == found.name), "")
