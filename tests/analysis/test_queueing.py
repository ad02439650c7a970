"""That a queue and not the model makes the TTFT: against a server whose every wait is known."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.model.summary import Queueing
from chatload.model.turn import Turn
from chatload.model.verdict import CapacityResult
from chatload.render.run_verdict import headline
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.plans import plan_of
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, user_lines, write_run

S = 1_000_000_000
USERS = 12
ROOM = {"tokens": 16_000, "reserved": True, "option": "--max-batch-total-tokens", "request_tokens": 2000.0}


def served(
    at_once: int, model_s: float = 0.1, *, users: int = USERS, begin_ns: int = START_NS, group: str = "",
    first_user: int = 0, turns_each: int = 6, until_s: float = 1e6,
) -> tuple[list[Turn], list[float]]:  # fmt: skip
    """(turns of users without think time, the wait of each in s) of a server that runs `at_once` for 1 s each, first
    come, first served; the first token `model_s` after a request begins."""
    (like,) = good_turns(Shape(users=1, turns=1))
    due = [(begin_ns, user, 1) for user in range(first_user, first_user + users)]
    free = [begin_ns] * at_once
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
                end_ns=last, gaps_us=((last - first) // 1000,), events=2, tokens=2, connect_ms=None, group=group,
            )
        )  # fmt: skip
        if number < turns_each and last < begin_ns + until_s * S:
            heapq.heappush(due, (last, user, number + 1))
    return turns, waits


def run_of(
    folder: Path,
    turns: list[Turn],
    room: dict[str, Any] | None,
    pages: Sequence[dict[str, Any]] = (),
    **more: Any,
) -> Run:
    shape = Shape(users=USERS, turns=6)
    server = {
        "host": "http://gpu",
        "found": {"name": "vLLM", "version": "1"},
        **({"room": room} if room else {}),
    }
    manifest = manifest_of(shape, turns, server=server) | more
    manifest["plan"]["max_tokens"] = 1988  # and 12 of the prompt
    lines = [{"kind": "server", "took_ms": 1.0, **page} for page in pages]
    return read_run(write_run(folder, manifest, turns, [*user_lines(turns), *lines]))


def found(run: Run) -> Queueing | None:
    told = summarise(run).queueing
    assert len(told) < 2
    return told[0] if told else None


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


def test_a_number_of_places_tells_the_wait_without_the_length_of_requests(tmp_path: Path) -> None:
    turns, waits = served(4)
    places = {"reserved": True, "requests": 4, "requests_option": "--parallel"}
    run = run_of(tmp_path, turns, places)
    told = found(run)
    assert told is not None and told.by == "in flight"
    assert told.wait_ms == pytest.approx(1000 * fmean(waits), rel=0.15)
    words = headline(run, summarise(run))
    assert "It runs at most 4 requests at once: raise its --parallel." in words
    assert found(run_of(tmp_path / "room", served(12)[0], {**places, "requests": 12})) is None


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
         "Its KV cache was full (97 %): raise its --more, or ask for shorter answers."),
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


LEVELS = ("2 users", "12 users", "24 users")


def levels_of_users(at_once: int) -> list[Turn]:
    """A server that runs `at_once`, before 2, 12 and 24 users, one level after another."""
    turns: list[Turn] = []
    for place, group in enumerate(LEVELS):
        begin_ns = max((turn.end_ns for turn in turns), default=START_NS) + 5 * S
        more: dict[str, Any] = {"begin_ns": begin_ns, "group": group, "first_user": 100 * place, "until_s": 8}
        turns += served(at_once, users=int(group.split()[0]), turns_each=99, **more)[0]
    return turns


def slo(metric: str, verdict: str) -> dict[str, Any]:
    return {"slo": f"p95 {metric} <= 1", "metric": metric, "verdict": verdict, "value": 1.0, "interval": None,
            "turns": 9, "conversations": 9}  # fmt: skip


def searched(folder: Path, at_once: int, missed: dict[str, str], room: dict[str, Any] | None = ROOM) -> Run:
    """A capacity search over the three levels; `missed`: the metric that a level missed."""
    load = plan_of(
        "capacity", {"host": "http://gpu", "slo": "p95 ttft_ms <= 1", "measure": "4", "settle": "0"}
    ).load
    rungs = []
    for group in LEVELS:
        verdict = "missed" if group in missed else "met"
        one = {"users": int(group.split()[0]), "verdict": verdict, "passed": group not in missed, "turns": 9}
        rungs.append({**one, "groups": [group], "slo": [slo(missed.get(group, "ttft_ms"), verdict)]})
    run = run_of(folder, levels_of_users(at_once), room)
    plan = replace(run.manifest.plan, load=load, max_tokens=1988)
    found = {"levels": rungs, "users": 2, "surely_met": 2, "surely_missed": 12, "interval": [2, 11]}
    capacity = msgspec.convert(found, CapacityResult)
    return dataclasses.replace(run, manifest=replace(run.manifest, plan=plan, capacity=capacity))


def test_a_capacity_search_tells_why_its_least_level_beyond_the_slos_waits(tmp_path: Path) -> None:
    run = searched(tmp_path, 8, {"12 users": "ttft_ms", "24 users": "ttft_ms"})
    told = found(run)
    assert told is not None and (told.at, told.of) == ("12 users", "level")
    # in the last 4 s of the level 12 users are in flight, of which 8 run 1 s each: 4 wait, 8 begin each second
    assert told.wait_ms == pytest.approx(500, rel=0.05)
    words = headline(run, summarise(run))
    assert words.startswith("Capacity: 2 chat users within the SLOs")
    assert (
        "At 12 users, the fewest that missed the SLOs, queueing makes the TTFT, not the model: " in words
        and "It runs at most 8 of these requests at once" in words
    )


@pytest.mark.parametrize(
    ("at_once", "missed", "room"),
    [
        (8, {}, ROOM),  # no level missed an SLO
        (8, {"12 users": "tpot_ms"}, ROOM),  # what it missed does not wait
        (12, {"12 users": "ttft_ms"}, {**ROOM, "tokens": 24_000}),  # all 12 fit; 24 would wait
        (8, {"2 users": "ttft_ms"}, ROOM),  # nobody waited there
        (8, {"12 users": "ttft_ms"}, None),  # nobody told the room
    ],
)
def test_a_capacity_search_says_nothing_where_it_does_not_wait(
    tmp_path: Path, at_once: int, missed: dict[str, str], room: dict[str, Any] | None
) -> None:
    run = searched(tmp_path, at_once, missed, room)
    assert found(run) is None and "ueueing" not in headline(run, summarise(run))


@pytest.mark.parametrize(("at_once", "told"), [(8, "24 users"), (24, "")])
def test_the_level_of_a_sweep_that_waits_longest_is_told(tmp_path: Path, at_once: int, told: str) -> None:
    """Over the whole run the levels that wait are few; each is judged by itself."""
    room = {**ROOM, "tokens": 2000 * at_once}
    turns = [replace(turn, group=f"level {turn.group.split()[0]}") for turn in levels_of_users(at_once)]
    run = run_of(tmp_path, turns, room)
    sweep = plan_of("sweep", {"host": "http://gpu", "levels": "2,12,24"}).load
    run = dataclasses.replace(
        run, manifest=replace(run.manifest, plan=replace(run.manifest.plan, load=sweep, max_tokens=1988))
    )
    one = found(run)
    assert (one is not None) == bool(told)
    if one is not None:
        assert (one.at, one.of, one.others) == ("level 24", "part", 1)
        assert one.wait_ms == pytest.approx(1700, rel=0.2), "of 80 turns 8 wait 0 s, 8 1 s, all others 2 s"
        assert "In “level 24” (and in 1 other part of the run) queueing makes" in headline(
            run, summarise(run)
        )


def test_each_of_several_servers_is_told_apart(tmp_path: Path) -> None:
    waits, runs = served(4)[0], served(12, first_user=50)[0]
    turns = sorted([*waits, *runs], key=lambda turn: turn.due_ns)
    facts = {"dialect": "tgi", "found": {"name": "TGI", "version": "1"}, "room": {**ROOM, "tokens": 8000}}
    servers = {
        "server": {**facts, "host": "http://a", "classes": ["One"], "room": {**ROOM, "tokens": 24_000}},
        "other_servers": [{**facts, "host": "http://b", "classes": ["Two"]}],
    }
    run = run_of(tmp_path, turns, None, **servers)
    users = [
        replace(line, user_class="One" if line.user >= 50 else "Two") if line.event == "in" else line
        for line in run.users
    ]
    run = dataclasses.replace(run, users=tuple(users))
    (one,) = summarise(run).queueing
    assert (one.at, one.of) == ("http://b", "server")
    words = headline(run, summarise(run))
    assert "At http://b queueing makes the TTFT, not the model" in words and "http://a" not in words
