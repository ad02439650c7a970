"""That a queue and not the model makes the TTFT: against a server whose every wait is known."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.model.summary import Queueing
from chatload.model.turn import Turn
from chatload.render.run_verdict import headline
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, user_lines, write_run

S = 1_000_000_000
USERS = 12
ROOM = {"tokens": 16_000, "reserved": True, "option": "--max-batch-total-tokens", "request_tokens": 2000.0}


def served(at_once: int, model_s: float = 0.1) -> tuple[list[Turn], list[float]]:
    """(turns of 12 users without think time, the wait of each in s) of a server that runs `at_once` for 1 s each, first
    come, first served; the first token `model_s` after a request begins."""
    (like,) = good_turns(Shape(users=1, turns=1))
    due = [(START_NS, user, 1) for user in range(USERS)]
    free = [START_NS] * at_once
    turns, waits = [], []
    while due:
        at_ns, user, number = heapq.heappop(due)
        begins = max(at_ns, heapq.heappop(free))
        first, last = begins + round(model_s * S), begins + S
        heapq.heappush(free, last)
        waits.append((begins - at_ns) / S)
        turns.append(
            replace(
                like, turn_id=f"{user}-{number}", user=user, turn=number, due_ns=at_ns, sent_ns=at_ns,
                first_byte_ns=first, headers_ns=first, first_event_ns=first, first_token_ns=first, last_token_ns=last,
                end_ns=last, gaps_us=((last - first) // 1000,), events=2, tokens=2, connect_ms=None,
            )
        )  # fmt: skip
        if number < 6:
            heapq.heappush(due, (last, user, number + 1))
    return turns, waits


def run_of(
    folder: Path, turns: list[Turn], room: dict[str, Any] | None, pages: Sequence[dict[str, Any]] = ()
) -> Run:
    shape = Shape(users=USERS, turns=6)
    server = {
        "host": "http://gpu",
        "found": {"name": "vLLM", "version": "1"},
        **({"room": room} if room else {}),
    }
    manifest = manifest_of(shape, turns, server=server)
    manifest["plan"]["max_tokens"] = 1988  # and 12 of the prompt
    lines = [{"kind": "server", "took_ms": 1.0, **page} for page in pages]
    return read_run(write_run(folder, manifest, turns, [*user_lines(turns), *lines]))


def found(run: Run) -> Queueing | None:
    return summarise(run).queueing


def test_in_flight_beyond_the_room_tells_the_wait(tmp_path: Path) -> None:
    turns, waits = served(8)
    run = run_of(tmp_path, turns, ROOM)
    told = found(run)
    assert told is not None and told.by == "in flight"
    assert told.wait_ms == pytest.approx(1000 * fmean(waits), rel=0.15)
    assert (
        "Queueing makes the TTFT, not the model: " in headline(run, summarise(run))
        and "(means) are the wait for room in the server's batch. It runs at most 8 of these requests at once (16,000 "
        "tokens, 2,000 each): raise its --max-batch-total-tokens, or lower --max-tokens."
        in headline(run, summarise(run))
    )


@pytest.mark.parametrize(
    ("at_once", "room"),
    [
        (12, ROOM),  # all fit, though the server could hold 8 by its own word: it was seen to run more
        (8, None),  # nobody told the room
        (8, {**ROOM, "tokens": 32_000}),  # all of the turns fit in what it told
        (8, {**ROOM, "reserved": False}),  # answers may have been shorter than asked
    ],
)
def test_nothing_is_said_where_nobody_can_tell(
    tmp_path: Path, at_once: int, room: dict[str, Any] | None
) -> None:
    run = run_of(tmp_path, served(at_once)[0], room)
    assert found(run) is None
    assert "Queueing" not in headline(run, summarise(run))


def test_a_wait_that_is_the_smaller_part_is_not_the_cause(tmp_path: Path) -> None:
    turns = [replace(turn, first_token_ns=turn.end_ns - S // 5, gaps_us=(200_000,)) for turn in served(10)[0]]
    assert found(run_of(tmp_path, turns, {**ROOM, "tokens": 20_000})) is None


def pages(turns: list[Turn], waits: list[float], **more: Any) -> list[dict[str, Any]]:
    """What a page tells at each second: queue times of turns that ended."""
    told = []
    for at_ns in range(START_NS - S // 2, max(turn.end_ns for turn in turns) + S, S):
        ended = [wait for turn, wait in zip(turns, waits, strict=True) if turn.end_ns <= at_ns]
        on = sum(turn.due_ns <= at_ns < turn.end_ns for turn in turns)
        told.append({"at_ns": at_ns, "queue_s": sum(ended), "queued": len(ended), "running": min(on, 4),
                     "waiting": max(0, on - 4), **more})  # fmt: skip
    return told


@pytest.mark.parametrize(
    ("room", "more", "words"),
    [
        (ROOM | {"tokens": 8000}, {}, "It runs at most 4 of these requests at once (8,000 tokens, 2,000 each): raise"),
        ({**ROOM, "reserved": False, "option": "--more"}, {"kv_use": 0.97},
         "Its KV cache was full (97%): raise its --more, or ask for shorter answers."),
        ({**ROOM, "reserved": False}, {"kv_use": 0.5}, "Its batch held 4 requests at most: raise its --max-num-seqs."),
        (None, {}, "Its batch held 4 requests at most: raise its --max-num-seqs."),
        (None, {"running": None}, "are the wait in the server's queue."),
        (ROOM | {"tokens": 80_000}, {"running": None}, "are the wait in the server's queue."),
    ],
)  # fmt: skip
def test_the_server_s_queue_times_tell_it(
    tmp_path: Path, room: Any, more: dict[str, Any], words: str
) -> None:
    turns, waits = served(4)
    run = run_of(tmp_path, turns, room, pages(turns, waits, **more))
    told, first = found(run), summarise(run).first_token
    assert told is not None and first is not None and told.by == "server"
    assert told.wait_ms == first.part("queue") == pytest.approx(1000 * fmean(waits), rel=0.02)
    assert headline(run, summarise(run)).endswith(words) or f"{words} its" in headline(run, summarise(run))


def test_a_server_that_says_there_is_no_queue_is_believed(tmp_path: Path) -> None:
    turns, waits = served(4)
    run = run_of(tmp_path, turns, ROOM | {"tokens": 8000}, pages(turns, [0.01] * len(waits)))
    assert found(run) is None


@pytest.mark.parametrize(("wait_s", "told"), [(0.4, False), (0.5, True)])
def test_less_than_half_of_the_ttft_does_not_make_it(tmp_path: Path, wait_s: float, told: bool) -> None:
    turns, waits = served(12, model_s=0.9)
    run = run_of(tmp_path, turns, None, pages(turns, [wait_s] * len(waits)))
    assert (found(run) is not None) is told
