"""A measured figure beside the simulated one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """`allowed`: the relative error that counts as 1 in a fit; not `fitted`: unseen, only reported.

    `spread`: least and most of several draws, whose median `ours` is.
    """

    load: str
    name: str
    measured: float
    ours: float
    allowed: float
    fitted: bool = True
    spread: tuple[float, float] | None = None

    @property
    def error(self) -> float:
        """ours / measured - 1."""
        return self.ours / self.measured - 1

    @property
    def holds(self) -> bool:
        """Whether the error is within the allowed one."""
        return abs(self.error) <= self.allowed


def table(figures: Iterable[CalibrationRow], source: str) -> Iterator[str]:
    """Lines: load, figure, measured (under the heading `source`), ours, difference, allowed, spread of draws.

    `unseen` and `miss` are marked.
    """
    yield f"{'load':24} {'figure':20} {source:>10} {'ours':>10} {'diff':>8} {'allowed':>8}"
    for one in figures:
        spread = f"  {one.spread[0]:.2f} … {one.spread[1]:.2f}" if one.spread else ""
        mark = ("" if one.fitted else "  unseen") + ("" if one.holds else "  miss")
        yield (
            f"{one.load:24} {one.name:20} {one.measured:10.2f} {one.ours:10.2f} {one.error:+8.1%}"
            f" {one.allowed:8.0%}{spread}{mark}"
        )
