"""How often each gap between events occurs: 20 million gaps in a few MB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from chatload.analysis.distribution import describe_counted
from chatload.model.summary import Distribution
from chatload.model.turn import Turn


class GapCounts:
    """How often each gap occurs: gap_ms over all event gaps; itl_ms = gap ÷ tokens of the later event."""

    def __init__(self, good: Iterable[Turn]) -> None:
        self._gaps_us: Counter[int] = Counter()
        self._held_us: Counter[int] = Counter()
        self._itl_ns: Counter[int] | None = Counter()
        self.add(good)

    def add(self, good: Iterable[Turn]) -> None:
        """Count those of further good turns."""
        for turn in good:
            if turn.held:
                self._held_us.update(turn.gaps_us)
                continue
            gaps = turn.gaps_us
            self._gaps_us.update(gaps)
            if not gaps or self._itl_ns is None:
                continue
            if turn.first_event_source != "counted":
                self._itl_ns = None
            elif (event_tokens := turn.event_tokens) is None:
                self._itl_ns.update(gap * 1000 for gap in gaps)
            else:
                pairs = zip(gaps, event_tokens, strict=True)
                self._itl_ns.update(round(gap * 1000 / tokens) for gap, tokens in pairs if tokens)

    def __iadd__(self, other: GapCounts) -> GapCounts:
        """Add what the other has counted."""
        self._gaps_us += other._gaps_us
        self._held_us += other._held_us
        if self._itl_ns is None or other._itl_ns is None:
            self._itl_ns = None
        else:
            self._itl_ns += other._itl_ns
        return self

    @property
    def every(self) -> Counter[int]:
        """How often each gap in µs occurred so far, those of held streams too, which are none of the server's."""
        return self._gaps_us + self._held_us

    def told(self) -> dict[str, Distribution | None]:
        """The distributions so far; that of itl_ms is None unless all replies told their counts."""
        return {
            "gap_ms": describe_counted(self._gaps_us, 1e-3),
            "itl_ms": describe_counted(self._itl_ns, 1e-6) if self._itl_ns else None,
        }
