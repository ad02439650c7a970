"""TGI 3.x where it differs from 0.9.3."""

from __future__ import annotations

from collections.abc import Sequence as Row

import pytest

from simulator.schedulers.interface import Plan
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.tgi_3 import Tgi3Limits, Tgi3Scheduler, answer_limit


def ask(number: int, prompt: int = 10, answer: int = 100, prefix: Row[int] = ()) -> Sequence:
    return Sequence(number, prompt, answer, answer, prefix=prefix)


def ids(sequences: Row[Sequence]) -> list[int]:
    return [sequence.seq_id for sequence in sequences]


def forward(scheduler: Tgi3Scheduler) -> Plan:
    plan = scheduler.plan()
    assert plan is not None
    for sequence in plan.yielding:
        sequence.generated += 1
    return plan


def server(**limits: int | float | bool) -> Tgi3Scheduler:
    facts: dict[str, int | float | bool] = {
        "max_input_length": 50,
        "max_total_tokens": 2048,
        "max_batch_prefill_tokens": 4096,
        **limits,
    }
    return Tgi3Scheduler(Tgi3Limits(**facts))  # type: ignore[arg-type]


def test_with_chunking_newcomers_join_the_running_in_one_forward_and_a_decode_follows() -> None:
    scheduler = server()
    scheduler.add(ask(1))
    forward(scheduler)
    scheduler.add(ask(2))
    mixed = forward(scheduler)
    assert (ids(mixed.decoding), ids(mixed.prefilled)) == ([1], [2])
    scheduler.add(ask(3))
    assert ids(forward(scheduler).decoding) == [1, 2]
    assert ids(forward(scheduler).prefilled) == [3]


def test_the_last_prompt_is_cut_to_the_prefill_budget_and_goes_on_in_the_next_forward() -> None:
    """Budget 64: 40 whole, 24 of the next 40; its last 16 come with the following decode."""
    scheduler = server(max_batch_prefill_tokens=64)
    scheduler.add(ask(1, 40))
    scheduler.add(ask(2, 40))
    first = forward(scheduler)
    assert (first.prefill_tokens, ids(first.prefilled)) == (64, [1])
    second = forward(scheduler)
    assert (ids(second.decoding), ids(second.prefilled), second.prefill_tokens) == ([1], [2], 16)


def test_without_chunking_three_tenths_of_the_batch_suffice_and_the_batch_pauses() -> None:
    """floor(0.3 · 7) = 2."""
    scheduler = server(support_chunking=False)
    for number in range(7):
        scheduler.add(ask(number))
    forward(scheduler)
    scheduler.add(ask(100))
    assert forward(scheduler).prefilling == []
    scheduler.add(ask(101))
    plan = forward(scheduler)
    assert (ids(plan.prefilled), plan.decoding) == ([100, 101], [])


def test_room_is_reserved_for_at_most_1024_answer_tokens_and_one_token_is_kept_for_health_checks() -> None:
    scheduler = server(max_batch_total_tokens=3 * 1039 + 1, max_batch_prefill_tokens=50)
    for number in range(4):
        scheduler.add(ask(number, 16, 2000))
    assert ids(forward(scheduler).prefilled) == [0, 1, 2]
    assert scheduler.occupancy().kv_used == scheduler.occupancy().kv_total == 3 * 1039


def test_a_long_answer_is_queued_anew_after_each_1024_tokens_with_what_it_has_written_as_its_prompt() -> None:
    """Its prompt is known by then, its answer is not; who waits already comes first."""
    scheduler = server(max_total_tokens=4096)
    long = ask(1, 30, 2048, prefix=range(100, 5000))
    scheduler.add(long)
    for _ in range(1024):
        forward(scheduler)
    assert (long.generated, scheduler.occupancy().waiting) == (1024, 0)
    scheduler.add(ask(2, 10))
    assert ids(forward(scheduler).prefilled) == [2]
    assert scheduler.occupancy().waiting == 1
    seam = forward(scheduler)
    assert (ids(seam.prefilled), seam.prefill_tokens, ids(seam.decoding)) == ([1], 1024, [2])


@pytest.mark.parametrize(
    ("prompt", "asked", "given"),
    [
        (41, 1024, 1024),
        (41, 1100, 2048),
        (41, 3000, 3072),
        (41, 9000, 3072),
        (2049, 1100, 1024),
        (3072, 1100, 1024),
        (3073, 1100, 0),
        (4000, 96, 96),
        (4000, 97, 0),
    ],
)
def test_the_last_piece_is_not_shortened_and_one_that_does_not_fit_is_not_begun(
    prompt: int, asked: int, given: int
) -> None:
    assert answer_limit(prompt, asked, 4095, 4096) == given


def test_a_known_prompt_beginning_is_not_computed_again() -> None:
    scheduler = server()
    first = ask(1, 40, prefix=range(40))
    scheduler.add(first)
    forward(scheduler)
    scheduler.remove(first)
    scheduler.add(ask(2, 45, prefix=[*range(33), *range(100, 112)]))
    assert forward(scheduler).prefill_tokens == 45 - 33
    assert scheduler.occupancy().prefix_hits_total == 33


def test_one_that_does_not_fit_waits_and_holds_up_the_others() -> None:
    scheduler = server(max_batch_total_tokens=4096, max_total_tokens=4096)
    for number, prompt in enumerate((40, 3100, 10)):
        scheduler.add(ask(number, prompt, 1000))
    assert ids(forward(scheduler).prefilling) == [0]
    assert scheduler.occupancy().waiting == 2


def test_remove_frees_queue_place_and_blocks() -> None:
    scheduler = server()
    one, two = ask(1), ask(2)
    scheduler.add(one)
    forward(scheduler)
    scheduler.add(two)
    assert scheduler.remove(two)
    assert scheduler.remove(one)
    assert not scheduler.remove(one)
    assert scheduler.plan() is None
    assert scheduler.occupancy().kv_used == 0


def test_a_prompt_that_was_not_computed_to_its_end_is_not_cached() -> None:
    scheduler = server(max_batch_prefill_tokens=64)
    scheduler.add(ask(1, 40))
    gone = ask(2, 48, prefix=range(48))
    scheduler.add(gone)
    assert ids(forward(scheduler).prefilled) == [1]
    scheduler.remove(gone)
    scheduler.add(ask(3, 48, prefix=range(48)))
    forward(scheduler)
    assert scheduler.occupancy().prefix_hits_total == 0


def test_requests_that_are_too_few_keep_their_order_and_leave_no_trace() -> None:
    """10 run, ratio 0.3: 3 must come at once, but only 2 of 3 fit. After 20 forward passes 2 are enough."""
    scheduler = server(support_chunking=False, max_batch_prefill_tokens=100)
    known = ask(0, 40, prefix=range(40))
    scheduler.add(known)
    forward(scheduler)
    scheduler.remove(known)
    for number in range(1, 11):
        scheduler.add(ask(number, 8, 500))
    forward(scheduler)
    before = scheduler.occupancy()
    for number in (11, 12, 13):
        scheduler.add(ask(number, 50, prefix=range(50) if number == 11 else ()))
    plan = forward(scheduler)
    assert (plan.prefilling, len(plan.decoding)) == ([], 10)
    after = scheduler.occupancy()
    assert (after.prefix_queries_total, after.prefix_hits_total) == (before.prefix_queries_total, 0)
    assert (after.waiting, after.kv_used) == (3, before.kv_used)
    while not plan.prefilling:
        plan = forward(scheduler)
    assert ids(plan.prefilling) == [11, 12]


def test_each_running_request_takes_a_token_of_the_prefill_budget() -> None:
    """17 of 32 tokens are theirs, which leaves 15."""
    scheduler = server(max_batch_prefill_tokens=32, max_input_length=32)
    for number in range(17):
        scheduler.add(ask(number, 1))
    forward(scheduler)
    scheduler.add(ask(17, 32))
    assert forward(scheduler).prefill_tokens == 15


def test_a_cut_prompt_goes_on_by_a_token_when_decodes_take_the_whole_budget() -> None:
    scheduler = server(max_batch_prefill_tokens=32, max_input_length=32)
    for number in range(30):
        scheduler.add(ask(number, 1))
    forward(scheduler)
    scheduler.add(ask(31, 1))
    scheduler.add(ask(32, 4))
    plan = forward(scheduler)
    assert (len(plan.decoding), plan.prefill_tokens, ids(plan.prefilled)) == (30, 2, [31])
    assert [forward(scheduler).prefill_tokens for _ in range(4)] == [1, 1, 1, 0]
