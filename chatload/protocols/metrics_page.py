"""A server's own numbers, read from its /metrics page (Prometheus' text format)."""

from __future__ import annotations

import math
import re

from chatload.protocols.registry import KINDS

LARGEST_COUNTS = ("kv_use",)
"""Numbers whose largest value is taken where a page has several, one an engine; the others are added up."""

_OURS = {theirs.encode(): ours for kind in KINDS for ours, names in kind.gauges.items() for theirs in names}
_SAMPLE = re.compile(
    rb"^(" + b"|".join(map(re.escape, _OURS)) + rb")(?:\{[^\n]*\})? +([^\s]+)(?: +-?\d+)?[ \r]*$",
    re.MULTILINE,
)


def read_page(page: bytes) -> dict[str, float]:
    """{our name: number} of a page; NaN and infinity are left out."""
    found: dict[str, float] = {}
    for name, text in _SAMPLE.findall(page):
        try:
            value = float(text)
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        ours = _OURS[name]
        if ours in LARGEST_COUNTS:
            found[ours] = max(value, found.get(ours, 0.0))
        else:
            found[ours] = found.get(ours, 0.0) + value
    return found
