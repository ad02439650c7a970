"""Reads a server's /metrics page (Prometheus' text format)."""

from __future__ import annotations

import math
import re

from chatload.protocols.server_kinds import KINDS

LARGEST_COUNTS = ("kv_use",)
"""Numbers of which the largest is used where a page has several, one per engine; others are added up."""


def _our_names() -> dict[bytes, set[tuple[str, bool]]]:
    """{name on the page: {(our name, whether only other versions use it)}}."""
    found: dict[bytes, set[tuple[str, bool]]] = {}
    for kind in KINDS:
        for other, gauges in ((False, kind.gauges), (True, kind.other_gauges)):
            for ours, names in gauges.items():
                for theirs in names:
                    found.setdefault(theirs.encode(), set()).add((ours, other))
    return found


_OURS = _our_names()
OF_ANY_PROCESS = {"process_cpu_s"}
"""Numbers that any Python process may export: a page with nothing else is not a model server's."""
_SAMPLE = re.compile(
    rb"^(" + b"|".join(map(re.escape, _OURS)) + rb")(?:\{[^\n]*\})? +([^\s]+)(?: +-?\d+)?[ \r]*$",
    re.MULTILINE,
)


def read_page(page: bytes) -> dict[str, float]:
    """{our name: number} of a page; NaN and infinity are left out. Empty if it is not a model server's page."""
    found: dict[tuple[str, bool], float] = {}
    for name, text in _SAMPLE.findall(page):
        try:
            value = float(text)
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        for ours in _OURS[name]:
            if ours[0] in LARGEST_COUNTS:
                found[ours] = max(value, found.get(ours, 0.0))
            else:
                found[ours] = found.get(ours, 0.0) + value
    # Names of other versions first, so that the usual names override them.
    numbers = {ours: value for (ours, other), value in sorted(found.items(), key=lambda one: -one[0][1])}
    return numbers if numbers.keys() - OF_ANY_PROCESS else {}
