"""A page in Prometheus text format."""

from __future__ import annotations

from simulator.servers.statistics import Histogram


class PrometheusPage:
    """A Prometheus text page being written; `labels` go on every sample."""

    def __init__(self, labels: str) -> None:
        self._labels = labels
        self._lines: list[str] = []

    def sample(self, kind: str, name: str, values: dict[str, float], words: str) -> None:
        """A gauge or counter; the key of each value is its further labels, "" for none."""
        self._head(kind, name, words)
        for labels, value in values.items():
            self._lines.append(f"{name}{self._braces(labels)} {float(value)}")

    def histogram(self, name: str, histogram: Histogram, words: str, labels: str = "") -> None:
        """Cumulative buckets, count and sum."""
        self._head("histogram", name, words)
        seen = 0
        bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
        for bound, count in zip(bounds, histogram.counts, strict=True):
            seen += count
            le = ",".join(each for each in (labels, f'le="{bound}"') if each)
            self._lines.append(f"{name}_bucket{self._braces(le)} {float(seen)}")
        self._lines.append(f"{name}_count{self._braces(labels)} {float(seen)}")
        self._lines.append(f"{name}_sum{self._braces(labels)} {histogram.total}")

    def _head(self, kind: str, name: str, words: str) -> None:
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]

    def _braces(self, labels: str) -> str:
        inside = ",".join(each for each in (self._labels, labels) if each)
        return f"{{{inside}}}" if inside else ""

    def encode(self) -> bytes:
        """The page."""
        return ("\n".join(self._lines) + "\n").encode()
