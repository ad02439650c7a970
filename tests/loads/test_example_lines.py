"""The lines of docs/workloads.md that start a run make a plan."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest

from chatload.loads.registry import SHAPES
from tests.plans import plan_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "workloads.md").read_text(encoding="utf-8")
LINES = [line.strip() for line in PAGE.splitlines() if line.startswith("    locust -f locustfiles/")]
LOCUST = {"-u": "num_users", "-r": "spawn_rate", "--host": "host"}


@pytest.mark.parametrize("line", LINES)
def test_an_example_line_makes_a_plan(line: str) -> None:
    """Each of its options is one of the load's, and its value is none of the mistakes of this load."""
    locustfile, *words = shlex.split(line)[2:]
    source = (ROOT / locustfile).read_text(encoding="utf-8")
    module = next(one.split()[1] for one in source.splitlines() if one.startswith("from chatload.loads."))
    shape = importlib.import_module(module).SHAPE
    words.remove("--headless")
    values = dict(zip(words[::2], words[1::2], strict=True))
    plan = plan_of(
        shape.kind, {LOCUST.get(key, key[2:].replace("-", "_")): value for key, value in values.items()}
    )
    assert plan.sentence()
    assert SHAPES[shape.kind] is shape
