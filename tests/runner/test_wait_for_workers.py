"""The wait of a headless master for its workers, on a manual clock."""

from __future__ import annotations

import pytest

from chatload.runner.wait_for_workers import WAIT_S, Expected, await_workers
from tests.manual_clock import ManualClock
from tests.runner.fake_locust import FakeWorkers


def waited(ready: int, expected: Expected, until_s: float, *, then: int = 2) -> tuple[list[str], float]:
    """(what was said, after how long), where so many workers are `ready`, and `then` so many from `until_s` on."""
    clock, workers, said = ManualClock(), FakeWorkers(), list[str]()

    def come(count: int) -> None:
        workers.states = {f"w{number}": "ready" for number in range(count)}

    come(ready)
    clock.at(until_s, lambda: come(then))
    clock.run(await_workers, workers, expected, said.append, clock)
    return said, clock.now_s


def test_it_ends_when_they_are_all_there() -> None:
    assert waited(2, Expected(2), 9) == ([], 0.0)
    assert waited(1, Expected(2, forked=lambda: 2), 599.2) == ([], 599.5)


@pytest.mark.parametrize(("ready", "limit_s"), [(1, WAIT_S), (0, 5.0)])
def test_it_ends_at_its_limit(ready: int, limit_s: float) -> None:
    (words,), seconds = waited(ready, Expected(2, limit_s), 9999)
    assert words.startswith(f"{ready} of 2 workers connected within {limit_s:g} s: start them, expect fewer")
    assert limit_s < seconds <= limit_s + 0.5


def test_it_ends_when_those_that_were_forked_have_died() -> None:
    words = "1 of 2 worker processes ended before the run began"
    assert waited(1, Expected(2, forked=lambda: 1), 9) == ([words], 0.0)
