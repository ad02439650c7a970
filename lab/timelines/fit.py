"""How well the simulator fits a recorded timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.timelines.recorded import Played, Timeline

HEAD = (
    "| timeline | n | TTFT mean, ms | p50 | p95 | end mean, ms | within |",
    "|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Fit:
    """Recorded and simulated figures of a timeline, and the share of first tokens at most a decode step apart."""

    name: str
    requests: int
    ttft_mean: tuple[float, float]
    ttft_p50: tuple[float, float]
    ttft_p95: tuple[float, float]
    end_mean: tuple[float, float]
    within: float

    @property
    def ttft_error(self) -> float:
        """Simulated mean over the recorded one, less 1."""
        return self.ttft_mean[1] / self.ttft_mean[0] - 1

    @property
    def end_error(self) -> float:
        """The same of the means of the ends."""
        return self.end_mean[1] / self.end_mean[0] - 1

    def line(self) -> str:
        """A line of the table: recorded → simulated."""
        cells = (
            f"{_pair(self.ttft_mean)} ({self.ttft_error:+.1%})",
            _pair(self.ttft_p50),
            _pair(self.ttft_p95),
            f"{_pair(self.end_mean)} ({self.end_error:+.1%})",
            f"{self.within:.0%}",
        )
        return f"| {self.name} | {self.requests} | {' | '.join(cells)} |"


def fit(timeline: Timeline, played: Sequence[Played]) -> Fit:
    """The figures."""
    ttft = [(one.recorded.ttft_ms, one.ttft_ms) for one in played]
    end = [(one.recorded.end_ms, one.end_ms) for one in played]
    near = sum(abs(recorded - ours) <= timeline.step_ms for recorded, ours in ttft)
    return Fit(
        timeline.name,
        len(played),
        _both(ttft, _mean),
        _both(ttft, lambda values: _quantile(values, 0.5)),
        _both(ttft, lambda values: _quantile(values, 0.95)),
        _both(end, _mean),
        near / len(played),
    )


def _both(
    pairs: Sequence[tuple[float, float]], figure: Callable[[Sequence[float]], float]
) -> tuple[float, float]:
    return figure([recorded for recorded, _ours in pairs]), figure([ours for _recorded, ours in pairs])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _pair(values: tuple[float, float]) -> str:
    return f"{values[0]:,.0f} → {values[1]:,.0f}"
