"""Service level objectives: what was asked in words, and how sure a run can be that it was kept."""

from chatload.slo.objective import Objective, limits_of_a_turn, read_objectives
from chatload.slo.share import Tally, interval, surely_above, surely_below, turns_needed

__all__ = [
    "Objective",
    "Tally",
    "interval",
    "limits_of_a_turn",
    "read_objectives",
    "surely_above",
    "surely_below",
    "turns_needed",
]
