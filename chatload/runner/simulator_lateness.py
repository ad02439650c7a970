"""Whether a simulated server was late itself during a run. No other server is asked."""

from __future__ import annotations

from collections.abc import Callable

from chatload.analysis.quantiles import least_n
from chatload.engine.address import Address
from chatload.engine.api_key import ApiKey
from chatload.loads.plan import Plan
from chatload.protocols.probe_answers import SIMULATOR_PATH, ProbeAnswers
from chatload.runner.probing import Answer, ask

LIMIT_S = 1.5
TAILS = (0.99, 0.95, 0.90, 0.50)
"""More late writes than lie beyond the highest percentile that their number supports change what a run shows: its own
truth log says so, too."""


class SimulatorLateness:
    """Asks a simulator before and after a run how many of its writes were late by more than 10 ms."""

    def __init__(self, host: str, read: Callable[[], Answer]) -> None:
        self._host, self._read = host, read
        self._before = self._writes()

    def _writes(self) -> tuple[int, int] | None:
        answer = self._read()
        return ProbeAnswers({SIMULATOR_PATH: (answer.status, answer.body)}).late_writes

    def doubt(self) -> str:
        """What a reader of the run should know; empty where it was in time, or does not tell."""
        before, after = self._before, self._writes()
        if before is None or after is None:
            return ""
        late, of = after[0] - before[0], after[1] - before[1]
        if late <= tolerated_share(of) * of:
            return ""
        return (
            f"{self._host}: the simulated server was late itself: {late:,} of its {of:,} writes left more than 10 ms "
            "after they were due, so times hold its machine's lateness: give it cores of its own, or fewer users."
        )


def tolerated_share(writes: int) -> float:
    """The share of so many writes that may be late; all of them where there are too few for a median."""
    return next((1.0 - p for p in TAILS if writes >= least_n(p)), 1.0)


def lateness_of(plan: Plan, key: ApiKey) -> SimulatorLateness:
    """Of the plan's server, which is simulated; asked at once."""
    address = Address(plan.host, plan.insecure, plan.access)
    return SimulatorLateness(plan.host, lambda: ask(address, address.path + SIMULATOR_PATH, LIMIT_S, key))
