"""A simulated server that was late itself during a run is a doubt about the run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chatload.runner.probing import Answer
from chatload.runner.simulator_lateness import SimulatorLateness


def told(*answers: tuple[int, int] | None) -> Iterator[Answer]:
    for one in answers:
        if one is None:
            yield Answer("http://x/simulator", problem="no answer in time")
        else:
            body = {"simulator": "chatload", "profile": "p", "late_writes": one[0], "writes": one[1]}
            yield Answer("http://x/simulator", 200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("before", "after", "doubted"),
    [
        ((0, 0), (11, 1000), "11 of its 1,000 writes"),
        ((0, 0), (10, 1000), ""),
        ((500, 1000), (510, 2000), ""),  # it was late before the run
        ((500, 1000), (511, 2000), "11 of its 1,000 writes"),
        ((5, 9), (5, 9), ""),
        ((0, 0), (1, 35), ""),  # one late sleep, and only a median to be shown
        ((0, 0), (18, 367), ""),  # p95 is the highest percentile
        ((0, 0), (19, 367), "19 of its 367 writes"),
        ((0, 0), (4, 368), "4 of its 368 writes"),
        (None, (900, 1000), ""),
        ((0, 0), None, ""),
    ],
)
def test_the_writes_of_the_run_are_counted(
    before: tuple[int, int] | None, after: tuple[int, int] | None, doubted: str
) -> None:
    answers = told(before, after)
    words = SimulatorLateness("http://x", lambda: next(answers)).doubt()
    assert (doubted in words) if doubted else words == ""


def test_an_older_simulator_does_not_tell() -> None:
    answer = Answer("http://x/simulator", 200, b'{"simulator":"chatload","profile":"p"}')
    assert SimulatorLateness("http://x", lambda: answer).doubt() == ""
