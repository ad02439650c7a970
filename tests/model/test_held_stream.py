"""Held streams are told from streams, and hide what is paced."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from msgspec.structs import replace

from chatload.model.held_stream import held
from chatload.model.metrics import PACED, metric
from chatload.model.stalls import reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn

MS = 1_000_000


def reply(sizes: list[int], apart_ms: float, *, split_us: int = 0) -> Turn:
    """Bursts of these many events; `split_us`: each is read in pieces of one event, so far apart."""
    gaps: list[int] = []
    for size in sizes:
        gaps += [round(1000 * apart_ms) - split_us * (size - 1) if gaps else 0] + [split_us] * (size - 1)
    gaps = gaps[1:]
    first, last = 50 * MS, 50 * MS + sum(gaps) * 1000
    return Turn(
        turn_id="0-1", request_id="", user=0, turn=1, due_ns=0, sent_ns=0, first_byte_ns=first, first_token_ns=first,
        last_token_ns=last, end_ns=last, tokens=sum(sizes), events=sum(sizes), first_event_tokens=1,
        first_read_tokens=sizes[0], gaps_us=tuple(gaps), coalesced=sum(sizes) - len(sizes), ok=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    name: str
    turn: Turn
    held: bool | None


CASES = (
    Case("a stream", reply([1] * 30, 20), False),
    Case("haproxy's 200 ms", reply([8, 9, 9, 4], 200), True),
    Case("haproxy's 200 ms before a slow model", reply([2] * 10, 200), True),
    Case("a buffer of 4 kB", reply([11] * 9, 220), True),
    Case("a buffer read in pieces", reply([11] * 9, 220, split_us=30), True),
    Case("all at the end", reply([40], 0), True),
    Case("a few at the start", reply([10, *[1] * 30], 20), False),
    Case("a stall, then all that was missed", reply([*[1] * 20, 20], 20), False),
    Case("two at a time, as our polls may see a fast server", reply([2] * 40, 4), False),
    Case("five at a time of a very fast server", reply([5] * 40, 5), False),
    Case("a server that writes a few tokens at once", reply([3] * 20, 60), False),
    Case("too short to tell", reply([5], 0), None),
    Case("all at once, in few events of many tokens", replace(reply([5], 0), tokens=20), True),
    Case("few events of many tokens", replace(reply([1] * 5, 80), tokens=20), None),
    Case("in one event", replace(reply([1], 0), tokens=20), True),
    Case("a short reply in one event", replace(reply([1], 0), tokens=5), None),
)


@pytest.mark.parametrize("case", CASES, ids=[one.name for one in CASES])
def test_bursts_are_told_from_streams(case: Case) -> None:
    assert held(case.turn) is case.held


@pytest.mark.parametrize("case", CASES, ids=[one.name for one in CASES])
def test_what_is_paced_is_not_measured_through_a_held_stream(case: Case) -> None:
    turn = case.turn
    if turn.first_token_ns and turn.last_token_ns and turn.tokens:  # half of it reasoning
        middle_ns = (turn.first_token_ns + turn.last_token_ns) // 2
        turn = msgspec.structs.replace(turn, first_answer_ns=middle_ns, reasoning_tokens=turn.tokens // 2)
    values = {key: metric(key).value(turn) for key in PACED if metric(key).of is not None}
    if case.held:
        assert set(values.values()) == {None}
        assert (stalls_ms(case.turn), reading_underrun_ms(case.turn)) == ([], None)
    elif case.turn.gaps_us and case.turn.gaps_us[-1]:
        assert None not in values.values()
    assert metric("ttft_ms").value(case.turn) == 50
    assert metric("e2e_ms").value(case.turn) is not None
