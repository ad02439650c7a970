"""What charts show over time or over users: the title and unit of each, in report.html, plots/ and the live page."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.model.metrics import metric


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity on the axis of a chart; `unit` is empty for counts, `formula` where its title says all."""

    title: str
    unit: str = ""
    formula: str = ""

    @property
    def axis(self) -> str:
        """The label of an axis: title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def of_metric(key: str) -> Quantity:
    """The metric of the key, as the table of metrics names it."""
    return Quantity(metric(key).label, metric(key).unit, metric(key).formula)


TIME = Quantity("time since the first turn was due", "s")
TTFT = of_metric("ttft_ms")
OUTPUT = Quantity("output of all users", "tokens/s")
ONE_USER = Quantity("speed of one user", "tokens/s")
FELT = of_metric("felt_tokens_per_s")
DECODE = of_metric("decode_tokens_per_s")
USERS = Quantity("users")
IN_FLIGHT = Quantity("turns in flight")
USERS_IN_FLIGHT = Quantity(f"{USERS.title} and {IN_FLIGHT.title}")
GAP = of_metric("gap_ms")
