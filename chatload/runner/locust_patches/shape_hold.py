"""Locust's local runner starts a run anew when a shape asks for other users while `test_start` is still handled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from locust.env import Environment


@contextmanager
def held(environment: Environment) -> Iterator[None]:
    """The shape asks for what it asked last until the block ends; its time begins then.

    A runner kills its first start and fires `test_start` once more if the shape asks for other users in between.
    """
    shape = environment.shape_class
    if shape is None:
        yield
        return
    own = vars(shape).get("tick")
    shape.tick = lambda: environment.runner.shape_last_tick
    try:
        yield
    finally:
        if own is None:
            del shape.tick
        else:
            shape.tick = own
        shape.reset_time()
