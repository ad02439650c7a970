"""lmdeploy's rules: prompts in steps of their own, at once while seats are free, else every 16 decode steps."""

from __future__ import annotations

from simulator.schedulers.lmdeploy import LmdeployLimits, LmdeployScheduler
from simulator.schedulers.sequence import Sequence


def sequence(number: int, prompt: int = 32) -> Sequence:
    return Sequence(number, prompt, 500, 500, ignore_eos=True)


def steps(scheduler: LmdeployScheduler, count: int) -> list[tuple[int, int]]:
    """(decoding, prompts) of each step."""
    found = []
    for _ in range(count):
        plan = scheduler.plan()
        assert plan is not None
        for each in plan.yielding:
            each.generated += 1
        found.append((len(plan.decoding), len(plan.prefilling)))
    return found


def test_a_step_has_prompts_or_decodes_never_both() -> None:
    scheduler = LmdeployScheduler(LmdeployLimits(1000, decode_loop=1))
    scheduler.add(sequence(1))
    assert steps(scheduler, 2) == [(0, 1), (1, 0)]
    scheduler.add(sequence(2))
    scheduler.add(sequence(3))
    assert steps(scheduler, 2) == [(0, 2), (3, 0)]


def test_with_half_of_the_seats_taken_prompts_wait_for_sixteen_decodes() -> None:
    scheduler = LmdeployScheduler(LmdeployLimits(1000, max_batch_size=4, decode_loop=1))
    for number in range(2):
        scheduler.add(sequence(number))
    assert steps(scheduler, 1) == [(0, 2)]
    scheduler.add(sequence(3))
    assert steps(scheduler, 17) == [*[(2, 0)] * 16, (0, 1)]


def test_a_newcomer_waits_until_the_decodes_that_were_ordered_together_are_over() -> None:
    scheduler = LmdeployScheduler(LmdeployLimits(1000, decode_loop=4))
    scheduler.add(sequence(1))
    assert steps(scheduler, 2) == [(0, 1), (1, 0)]
    scheduler.add(sequence(2))
    assert steps(scheduler, 5) == [(1, 0), (1, 0), (1, 0), (0, 1), (2, 0)]


def test_decodes_in_loops_count_as_the_steps_they_are() -> None:
    """Half of the seats are taken: 16 decodes are two loops of 8."""
    scheduler = LmdeployScheduler(LmdeployLimits(1000, max_batch_size=4))
    for number in range(2):
        scheduler.add(sequence(number))
    assert steps(scheduler, 1) == [(0, 2)]
    scheduler.add(sequence(3))
    assert [prompts for _decoding, prompts in steps(scheduler, 25)].index(1) == 16


def test_prompts_that_fill_a_step_do_not_wait() -> None:
    scheduler = LmdeployScheduler(
        LmdeployLimits(1000, max_batch_size=4, max_prefill_token_num=100, decode_loop=1)
    )
    for number in range(2):
        scheduler.add(sequence(number))
    assert steps(scheduler, 1) == [(0, 2)]
    scheduler.add(sequence(3, prompt=100))
    assert steps(scheduler, 1) == [(0, 1)]


def test_seats_are_never_more_than_allowed() -> None:
    scheduler = LmdeployScheduler(LmdeployLimits(1000, max_batch_size=3))
    for number in range(8):
        scheduler.add(sequence(number))
    for _ in range(40):
        steps(scheduler, 1)
        assert scheduler.occupancy().running <= 3
