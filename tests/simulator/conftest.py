"""Simulators in their own processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.client import ALL, FAST, Simulator


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with these arguments; it is stopped at the end."""
    started: list[Simulator] = []

    def start(*arguments: str) -> Simulator:
        started.append(Simulator([*FAST, *arguments], tmp_path / f"truth-{len(started)}.jsonl"))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One process that speaks as every server."""
    each = Simulator([*FAST, "--speak", ALL], tmp_path_factory.mktemp("sim") / "truth.jsonl")
    yield each
    each.stop()
