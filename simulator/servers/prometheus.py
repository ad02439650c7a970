"""A page in Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from simulator.servers.statistics import Histogram


class PrometheusPage:
    """Collects samples; `encode` gives the page."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def sample(self, kind: str, name: str, values: dict[str, float], description: str) -> None:
        """A gauge or counter; the key of each value is its labels, "" for none."""
        self._head(kind, name, description)
        for labels, value in values.items():
            self._lines.append(f"{name}{_braces(labels)} {float(value)}")

    def histogram(self, histogram: Histogram, labels: str = "") -> None:
        """Cumulative buckets, count and sum; `labels` stand before the histogram's own."""
        spec, seen = histogram.spec, 0
        self._head("histogram", spec.name, spec.description)
        bounds = [*(str(bound) for bound in spec.bounds), "+Inf"]
        for bound, count in zip(bounds, histogram.counts, strict=True):
            seen += count
            all_labels = _braces(labels, spec.labels, f'le="{bound}"')
            self._lines.append(f"{spec.name}_bucket{all_labels} {float(seen)}")
        self._lines.append(f"{spec.name}_count{_braces(labels, spec.labels)} {float(seen)}")
        self._lines.append(f"{spec.name}_sum{_braces(labels, spec.labels)} {histogram.total}")

    def histograms(self, histograms: Iterable[Histogram]) -> None:
        """Several, those of one name under one head."""
        ordered = sorted(histograms, key=lambda one: one.spec.name)
        for _name, alike in groupby(ordered, key=lambda one: one.spec.name):
            first, *others = alike
            self.histogram(first)
            for other in others:
                at = len(self._lines)
                self.histogram(other)
                del self._lines[at : at + 2]

    def summary(self, name: str, count: int, description: str) -> None:
        """A summary of so many zeros."""
        self._head("summary", name, description)
        quantiles = ("0", "0.5", "0.9", "0.95", "0.99", "0.999", "1")
        self._lines += [f'{name}{{quantile="{each}"}} 0' for each in quantiles]
        self._lines += [f"{name}_sum 0", f"{name}_count {count}"]

    def _head(self, kind: str, name: str, description: str) -> None:
        self._lines += [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]

    def encode(self) -> bytes:
        """The page."""
        return "".join(f"{line}\n" for line in self._lines).encode()


def _braces(*labels: str) -> str:
    inside = ",".join(filter(None, labels))
    return f"{{{inside}}}" if inside else ""
