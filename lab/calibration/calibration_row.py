"""A measured figure beside the simulated one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TINY = 1e-9


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """`allowed`: the relative error that counts as 1 in a fit; not `fitted`: unseen, only reported.

    `spread`: least and most of several draws, whose median `ours` is. `allowed` None: an extreme of few requests, which
    differs so much from draw to draw that one measured value says only whether it may be one more of the draws.
    """

    load: str
    name: str
    measured: float
    ours: float
    allowed: float | None
    fitted: bool = True
    spread: tuple[float, float] | None = None

    @property
    def error(self) -> float:
        """ours / measured - 1."""
        return self.ours / self.measured - 1

    @property
    def distance(self) -> float:
        """|error| / allowed; where the spread decides |measured - ours| / the way from ours to its end on that side."""
        if self.allowed is not None:
            return abs(self.error) / self.allowed
        assert self.spread is not None
        way = abs(self.spread[self.measured > self.ours] - self.ours)
        return abs(self.measured - self.ours) / max(way, TINY)

    @property
    def holds(self) -> bool:
        """Whether the error is within the allowed one, or the measured value within the spread."""
        return self.distance <= 1


def table(figures: Iterable[CalibrationRow], source: str) -> Iterator[str]:
    """Lines: load, figure, measured (under the heading `source`), ours, difference, allowed, spread of draws.

    `unseen` and `miss` are marked.
    """
    yield f"{'load':24} {'figure':20} {source:>10} {'ours':>10} {'diff':>8} {'allowed':>8}"
    for one in figures:
        allowed = f"{one.allowed:.0%}" if one.allowed is not None else "range"
        spread = f"  {one.spread[0]:.2f} … {one.spread[1]:.2f}" if one.spread else ""
        mark = ("" if one.fitted else "  unseen") + ("" if one.holds else "  miss")
        yield (
            f"{one.load:24} {one.name:20} {one.measured:10.2f} {one.ours:10.2f} {one.error:+8.1%}"
            f" {allowed:>8}{spread}{mark}"
        )
