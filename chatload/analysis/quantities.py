"""What charts show: the title and unit of each quantity, the same in report.html, plots/ and the live page."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.model.metrics import metric


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity on an axis or in a panel of its own; `formula` is empty where the title says all."""

    title: str
    unit: str
    formula: str = ""

    @property
    def axis(self) -> str:
        """The label of an axis: title and unit."""
        return f"{self.title} ({self.unit})"


def of_metric(key: str) -> Quantity:
    """The metric of the key, as the table of metrics names it."""
    return Quantity(metric(key).label, metric(key).unit, metric(key).formula)


COUNT = "count"
"""The unit of what is counted: an axis of it has whole numbers only."""

TIME = Quantity("time since the first turn was due", "s")
TTFT = of_metric("ttft_ms")
GAP = of_metric("gap_ms")
FELT = of_metric("felt_tokens_per_s")
DECODE = of_metric("decode_tokens_per_s")
OUTPUT = Quantity("output of all users", "tokens/s")
ONE_USER = Quantity("speed of one user", "tokens/s")
USERS = Quantity("users", COUNT)
IN_FLIGHT = Quantity("turns in flight", COUNT)
USERS_IN_FLIGHT = Quantity(f"{USERS.title} and {IN_FLIGHT.title}", COUNT)
