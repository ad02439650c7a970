"""TGI 0.9.3, each rule by a case small enough to compute by hand."""

from __future__ import annotations

from collections.abc import Sequence as Row

import pytest

from simulator.schedulers.interface import Plan
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.tgi_0_9 import TgiLimits, TgiScheduler, reserved_tokens


def ask(number: int, prompt: int = 10, answer: int = 100) -> Sequence:
    return Sequence(number, prompt, answer, answer)


def ids(sequences: Row[Sequence]) -> list[int]:
    return [sequence.seq_id for sequence in sequences]


def forward(scheduler: TgiScheduler) -> Plan:
    plan = scheduler.plan()
    assert plan is not None
    for sequence in plan.yielding:
        sequence.generated += 1
    return plan


def server(running: int = 0, **limits: int | float) -> TgiScheduler:
    """A server with `running` requests just prefilled."""
    scheduler = TgiScheduler(TgiLimits(**limits))  # type: ignore[arg-type]
    for number in range(running):
        scheduler.add(ask(number))
    if running:
        assert ids(forward(scheduler).prefilled) == list(range(running))
    return scheduler


@pytest.mark.parametrize(("running", "needed"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (10, 12)])
def test_newcomers_come_in_when_they_are_floor_of_1_2_b(running: int, needed: int) -> None:
    scheduler = server(running)
    for number in range(needed - 1):
        scheduler.add(ask(100 + number))
    assert forward(scheduler).prefilling == []
    scheduler.add(ask(200))
    assert len(forward(scheduler).prefilled) == needed


def test_fewer_come_in_after_twenty_forwards() -> None:
    """waiting_tokens is 1 after the prefill and 20 after 19 decodes: the 20th look asks for no number."""
    scheduler = server(running=5)
    scheduler.add(ask(100))
    decodes = [forward(scheduler) for _ in range(19)]
    assert all(len(plan.decoding) == 5 and not plan.prefilling for plan in decodes)
    plan = forward(scheduler)
    assert (ids(plan.prefilled), plan.decoding) == ([100], [])


def test_a_prefill_pauses_the_batch_and_one_decode_of_all_follows_before_the_next() -> None:
    scheduler = server(running=1)
    scheduler.add(ask(100))
    assert ids(forward(scheduler).prefilled) == [100]
    scheduler.add(ask(101))
    scheduler.add(ask(102))
    assert ids(forward(scheduler).decoding) == [0, 100]
    assert ids(forward(scheduler).prefilled) == [101, 102]


def test_from_idle_the_queue_is_looked_at_again_before_the_first_decode() -> None:
    scheduler = server(running=1)
    scheduler.add(ask(100))
    assert ids(forward(scheduler).prefilled) == [100]


def test_the_whole_answer_is_reserved() -> None:
    """30,000 tokens, prompts of 30 with max_new_tokens 2000: 14 at a time (14 · 2,030 = 28,420)."""
    scheduler = TgiScheduler(TgiLimits(max_batch_total_tokens=30000, max_total_tokens=2048))
    for number in range(20):
        scheduler.add(ask(number, 30, 2000))
    assert len(forward(scheduler).prefilled) == 14
    assert scheduler.occupancy().batch_max_tokens == 14 * 2032
    assert reserved_tokens(ask(0, 30, 2000)) == 16 * 127


def test_the_prefill_budget_stops_the_queue_strictly_in_order() -> None:
    scheduler = TgiScheduler(TgiLimits(max_batch_prefill_tokens=1100, max_input_length=1000))
    for number, prompt in enumerate((600, 600, 10)):
        scheduler.add(ask(number, prompt, 20))
    assert ids(forward(scheduler).prefilled) == [0]


def test_too_few_that_fit_are_pushed_back_in_order() -> None:
    """2 of 2 are asked for, both wait, only one fits: none comes in."""
    scheduler = server(running=2, max_batch_prefill_tokens=1100)
    scheduler.add(ask(100, 600))
    scheduler.add(ask(101, 600))
    assert forward(scheduler).prefilling == []
    assert scheduler.occupancy().waiting == 2
    scheduler.add(ask(102, 10))
    assert forward(scheduler).prefilling == []


def test_room_returns_only_when_a_request_ends() -> None:
    scheduler = TgiScheduler(TgiLimits(max_batch_total_tokens=4096, max_waiting_tokens=1))
    first = ask(1, 1000, 1000)
    scheduler.add(first)
    scheduler.add(ask(2, 1000, 1000))
    scheduler.add(ask(3, 1000, 1000))
    assert ids(forward(scheduler).prefilled) == [1, 2]
    assert forward(scheduler).prefilling == []
    scheduler.remove(first)
    assert ids(forward(scheduler).prefilled) == [3]


def test_remove_returns_queue_place_and_reservation() -> None:
    scheduler = server(running=1)
    waiting = ask(100)
    scheduler.add(waiting)
    running = scheduler._batch[0]
    assert scheduler.remove(waiting)
    assert scheduler.remove(running)
    assert not scheduler.remove(running)
    assert (scheduler.plan(), scheduler.occupancy().batch_max_tokens) == (None, 0)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_input_length": 2048},
        {"max_batch_prefill_tokens": 1000},
        {"max_batch_total_tokens": 4000},
        {"max_total_tokens": 20000},
    ],
)
def test_the_launcher_refuses_limits_that_contradict_each_other(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TgiLimits(**limits)  # type: ignore[arg-type]


def test_the_reservation_leaves_out_the_last_token() -> None:
    """The last token of an answer is sent, not stored: 17 + 16 - 1 are 2 blocks of 16, one more token is 3."""
    assert [reserved_tokens(ask(1, 17, answer)) for answer in (16, 17)] == [32, 48]
